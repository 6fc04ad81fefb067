// Runs in the browser page that make-clips.mjs opens: shapes that the scenes share. Canvas 2D, no dependencies.

export const WIDTH = 960;
export const HEIGHT = 540;

/** Repeats exactly: a clip is looped, so every motion must come back to where it began. */
export const wave = (turn, cycles, phase = 0) => Math.sin(2 * Math.PI * (turn * cycles + phase));

export const mix = (a, b, share) => a + (b - a) * share;
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
export const smooth = share => {
  const s = clamp(share, 0, 1);
  return s * s * (3 - 2 * s);
};

/** 0 before `from`, 1 after `to`, smooth in between. */
export const ramp = (turn, from, to) => smooth((turn - from) / (to - from));

export function polygon(c, points, fill) {
  c.beginPath();
  for (const [x, y] of points) c.lineTo(x, y);
  c.closePath();
  c.fillStyle = fill;
  c.fill();
}

export function vertical(c, top, bottom, ...colours) {
  const gradient = c.createLinearGradient(0, top, 0, bottom);
  colours.forEach((colour, index) => {
    gradient.addColorStop(index / (colours.length - 1), colour);
  });
  return gradient;
}

export function glow(c, x, y, radius, colour) {
  const gradient = c.createRadialGradient(x, y, 0, x, y, radius);
  gradient.addColorStop(0, colour);
  gradient.addColorStop(1, 'rgba(0,0,0,0)');
  c.fillStyle = gradient;
  c.fillRect(x - radius, y - radius, radius * 2, radius * 2);
}

function limb(c, x1, y1, x2, y2, width, colour) {
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.lineCap = 'round';
  c.beginPath();
  c.moveTo(x1, y1);
  c.lineTo(x2, y2);
  c.stroke();
}

/** A figure whose feet stand at (x, y); `height` in pixels, `stride` −1…1 is the swing of its legs. */
export function person(c, { x, y, height, stride, coat, trousers, hair, bag }) {
  const h = height;
  c.save();
  c.translate(x, y);
  c.fillStyle = 'rgba(0,0,0,0.28)';
  c.beginPath();
  c.ellipse(0, 0, h * 0.2, h * 0.05, 0, 0, 7);
  c.fill();
  const swing = stride * h * 0.13;
  limb(c, 0, -h * 0.46, -swing, -h * 0.02 - Math.max(0, stride) * h * 0.04, h * 0.1, trousers);
  limb(c, 0, -h * 0.46, swing, -h * 0.02 - Math.max(0, -stride) * h * 0.04, h * 0.1, trousers);
  limb(c, -h * 0.1, -h * 0.76, -h * 0.13 + swing * 0.8, -h * 0.47, h * 0.075, coat);
  c.fillStyle = coat;
  c.beginPath();
  c.roundRect(-h * 0.125, -h * 0.82, h * 0.25, h * 0.4, h * 0.09);
  c.fill();
  limb(c, h * 0.1, -h * 0.76, h * 0.13 - swing * 0.8, -h * 0.47, h * 0.075, coat);
  if (bag) {
    c.fillStyle = bag;
    c.beginPath();
    c.roundRect(h * 0.06 - swing * 0.8, -h * 0.47, h * 0.15, h * 0.17, h * 0.02);
    c.fill();
  }
  c.fillStyle = '#d9b08c';
  c.beginPath();
  c.arc(0, -h * 0.905, h * 0.075, 0, 7);
  c.fill();
  c.fillStyle = hair;
  c.beginPath();
  c.arc(0, -h * 0.925, h * 0.078, Math.PI, 0);
  c.fill();
  c.restore();
}

/** A car seen from the side-above; (x, y) is the middle of its ground line, `flip` makes it face left. */
export function car(c, { x, y, length, colour, flip = false, lights = false, roll = 0 }) {
  const l = length;
  c.save();
  c.translate(x, y);
  if (flip) c.scale(-1, 1);
  c.fillStyle = 'rgba(0,0,0,0.35)';
  c.beginPath();
  c.ellipse(0, l * 0.01, l * 0.53, l * 0.06, 0, 0, 7);
  c.fill();
  c.fillStyle = colour;
  c.beginPath();
  c.roundRect(-l * 0.5, -l * 0.22, l, l * 0.18, [l * 0.07, l * 0.09, l * 0.04, l * 0.04]);
  c.fill();
  polygon(
    c,
    [
      [-l * 0.36, -l * 0.21],
      [-l * 0.25, -l * 0.36],
      [l * 0.12, -l * 0.36],
      [l * 0.28, -l * 0.21],
    ],
    colour,
  );
  polygon(
    c,
    [
      [-l * 0.31, -l * 0.22],
      [-l * 0.23, -l * 0.335],
      [-l * 0.06, -l * 0.335],
      [-l * 0.06, -l * 0.22],
    ],
    '#20303c',
  );
  polygon(
    c,
    [
      [-l * 0.03, -l * 0.22],
      [-l * 0.03, -l * 0.335],
      [l * 0.1, -l * 0.335],
      [l * 0.22, -l * 0.22],
    ],
    '#2b4150',
  );
  c.fillStyle = 'rgba(255,255,255,0.18)';
  c.fillRect(-l * 0.46, -l * 0.205, l * 0.92, l * 0.02);
  for (const wheel of [-0.3, 0.3]) {
    c.fillStyle = '#15181b';
    c.beginPath();
    c.arc(l * wheel, -l * 0.045, l * 0.085, 0, 7);
    c.fill();
    c.strokeStyle = '#9aa3a8';
    c.lineWidth = l * 0.02;
    c.beginPath();
    c.arc(l * wheel, -l * 0.045, l * 0.042, roll, roll + 4.4);
    c.stroke();
  }
  c.fillStyle = '#f6e7b0';
  c.fillRect(l * 0.46, -l * 0.18, l * 0.04, l * 0.05);
  c.fillStyle = '#b8322a';
  c.fillRect(-l * 0.5, -l * 0.18, l * 0.03, l * 0.05);
  if (lights) glow(c, l * 0.75, -l * 0.1, l * 0.4, 'rgba(255,236,180,0.35)');
  c.restore();
}

/**
 * Label, frame counter, and the frame number again as nine squares (bit 8 first, white = 1, between a white and a
 * black guard square): a test can read which frame it sees from 11 pixels.
 */
export function overlay(c, { label, frame }) {
  c.fillStyle = 'rgba(0,0,0,0.55)';
  c.fillRect(0, 0, WIDTH, 40);
  c.fillRect(0, HEIGHT - 64, 236, 64);
  c.fillStyle = '#f4f6f7';
  c.textBaseline = 'middle';
  c.font = '600 20px "DejaVu Sans"';
  c.fillText(label, 16, 21);
  c.font = '16px "DejaVu Sans Mono"';
  c.textAlign = 'right';
  c.fillText('SIMULATED CAMERA', WIDTH - 16, 21);
  c.textAlign = 'left';
  c.font = '16px "DejaVu Sans Mono"';
  c.fillText('frame', 16, HEIGHT - 31);
  c.font = 'bold 46px "DejaVu Sans Mono"';
  c.fillText(String(frame).padStart(3, '0'), 84, HEIGHT - 31);
  const bits = [1, ...Array.from({ length: 9 }, (_, bit) => (frame >> (8 - bit)) & 1), 0];
  bits.forEach((bit, index) => {
    c.fillStyle = bit ? '#ffffff' : '#000000';
    c.fillRect(WIDTH - 16 * (bits.length - index), HEIGHT - 16, 16, 16);
  });
}
