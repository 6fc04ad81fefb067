import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CameraSessionError } from '../camera-session-error.js';
import { child, escapeXml, parseXml, textOf } from './soap.js';

const test = suite('what is read of XML');

test('characters by name and by number, in text and in attributes', () => {
  const said = 'North <gate> & "yard" it\'s ü';
  assert.is(textOf(parseXml(`<a><b>${escapeXml(said)}</b></a>`), 'a', 'b'), said);
  const node = parseXml('<a name="&quot;x&quot;">&lt;&#x41;&#66;&amp;amp; &nbsp; &#0; &#x110000;</a>');
  assert.is(textOf(node, 'a'), '<AB&amp; &nbsp; &#0; &#x110000;');
  assert.is(textOf(node, 'a', '@name'), '"x"');
});

test('entities that a document defines itself stay what they are: nothing grows', () => {
  const laughs = Array.from({ length: 20 }, (_, index) => {
    const inner = index === 0 ? 'ha' : `&l${index - 1};`.repeat(10);
    return `<!ENTITY l${index} "${inner}">`;
  });
  const text = `<?xml version="1.0"?><!DOCTYPE a [${laughs.join('')}]><a>&l19;</a>`;
  let read = '';
  try {
    read = textOf(parseXml(text), 'a');
  } catch (fault) {
    assert.instance(fault, CameraSessionError);
  }
  assert.ok(read.length < 10);
});

test('an answer that is nested without end, or is no XML, is refused by name', () => {
  for (const text of ['<a>'.repeat(500_000), '<a><b></a>', `<a ${'x'.repeat(1000)}`, '<'.repeat(10_000)]) {
    try {
      // What is read of what some parsers forgive is nothing.
      assert.is(textOf(child(parseXml(text), 'Envelope'), 'Body'), '');
    } catch (fault) {
      assert.instance(fault, CameraSessionError);
      assert.is((fault as CameraSessionError).lossCause, 'PROTOCOL_ERROR');
    }
  }
  assert.throws(
    () => parseXml('<a>'.repeat(500_000)),
    (fault: unknown) => fault instanceof CameraSessionError,
  );
});

test.run();
