// Says over live pictures that they are old while the page, which should say it, is held up: from a thread of its own.

/** A page that is not held up tells twice a second that it is not. */
const HELD_UP_MS = 5_000;
const LOOK_MS = 500;

let canvas = null;
let context = null;
let heardAtMs = performance.now();
let isDrawn = false;

/** Of the right size and in the page before it is needed: the page cannot do either while it is held up. */
function clear({ width, height }) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.clearRect(0, 0, width, height);
  isDrawn = false;
}

function draw() {
  const { width, height } = canvas;
  context.fillStyle = '#0c1016d0';
  context.fillRect(0, 0, width, height);
  context.fillStyle = '#e9b44c';
  context.font = '600 16px system-ui, sans-serif';
  context.textAlign = 'center';
  context.fillText('This page is held up: the pictures are old', width / 2, height / 2);
  isDrawn = true;
}

addEventListener('message', ({ data }) => {
  const { size } = data;
  heardAtMs = performance.now();
  const isNew = canvas === null;
  if (isNew) {
    canvas = data.canvas;
    context = canvas.getContext('2d');
  }
  if (isNew || isDrawn || canvas.width !== size.width || canvas.height !== size.height) clear(size);
});

setInterval(() => {
  if (canvas !== null && !isDrawn && performance.now() - heardAtMs >= HELD_UP_MS) draw();
}, LOOK_MS);
