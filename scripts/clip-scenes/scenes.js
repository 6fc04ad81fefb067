// Runs in the browser page that make-clips.mjs opens. Each scene draws one frame; `turn` runs from 0 to 1 over the clip.
import { car, glow, HEIGHT, mix, overlay, person, polygon, ramp, vertical, WIDTH, wave } from './figures.js';

const backgrounds = new Map();

/** What does not move is drawn once: identical pixels cost the encoder nothing. */
function background(c, name, draw) {
  if (!backgrounds.has(name)) {
    const layer = new OffscreenCanvas(WIDTH, HEIGHT);
    draw(layer.getContext('2d'));
    backgrounds.set(name, layer);
  }
  c.drawImage(backgrounds.get(name), 0, 0);
}

function tiles(c, { horizon, vanishX, colour, columns, rows }) {
  c.strokeStyle = colour;
  c.lineWidth = 1.2;
  for (let column = -columns; column <= columns; column += 1) {
    c.beginPath();
    c.moveTo(vanishX + column * 16, horizon);
    c.lineTo(vanishX + column * 150, HEIGHT);
    c.stroke();
  }
  for (let row = 1; row <= rows; row += 1) {
    const y = horizon + (HEIGHT - horizon) * (row / rows) ** 2;
    c.beginPath();
    c.moveTo(0, y);
    c.lineTo(WIDTH, y);
    c.stroke();
  }
}

function lobby(c) {
  c.fillStyle = vertical(c, 0, 250, '#6d7780', '#a7afb3');
  c.fillRect(0, 0, WIDTH, 250);
  c.fillStyle = vertical(c, 250, HEIGHT, '#8d8a83', '#b9b5ab');
  c.fillRect(0, 250, WIDTH, HEIGHT - 250);
  tiles(c, { horizon: 250, vanishX: 480, colour: 'rgba(70,68,62,0.35)', columns: 14, rows: 7 });
  c.fillStyle = vertical(c, 70, 250, '#cfe2ec', '#e9f0ee');
  c.fillRect(300, 70, 360, 180);
  polygon(
    c,
    [
      [300, 250],
      [300, 190],
      [380, 176],
      [470, 196],
      [560, 172],
      [660, 192],
      [660, 250],
    ],
    '#9db3a0',
  );
  c.fillStyle = '#c9c4b6';
  c.fillRect(300, 226, 360, 24);
  for (const x of [60, 190, 740, 870]) {
    c.fillStyle = vertical(c, 60, 330, '#565f66', '#798187');
    c.fillRect(x, 40, 34, 260);
    c.fillStyle = 'rgba(0,0,0,0.18)';
    c.fillRect(x + 24, 40, 10, 260);
  }
  c.fillStyle = '#5a4636';
  c.fillRect(690, 262, 230, 70);
  c.fillStyle = '#7a6350';
  c.fillRect(680, 252, 250, 14);
  c.fillStyle = '#2c3338';
  c.fillRect(760, 224, 44, 30);
  for (const x of [110, 150]) {
    c.fillStyle = '#6a5544';
    c.fillRect(x - 22, 352, 36, 34);
    for (const leaf of [-0.9, -0.5, -0.1, 0.3, 0.7]) {
      c.strokeStyle = '#3f6b45';
      c.lineWidth = 7;
      c.beginPath();
      c.moveTo(x - 4, 354);
      c.quadraticCurveTo(x + leaf * 26, 320, x + leaf * 46, 300 + Math.abs(leaf) * 22);
      c.stroke();
    }
  }
  for (const x of [200, 480, 760]) glow(c, x, 44, 130, 'rgba(255,250,225,0.35)');
}

function entrance(c, turn) {
  background(c, 'entrance', lobby);
  const opened =
    ramp(turn, 0.04, 0.09) - ramp(turn, 0.28, 0.33) + ramp(turn, 0.55, 0.6) - ramp(turn, 0.8, 0.85);
  for (const side of [-1, 1]) {
    const x = 480 + side * (45 + opened * 82) - 45;
    c.fillStyle = 'rgba(150,190,205,0.45)';
    c.fillRect(x, 84, 90, 166);
    c.strokeStyle = '#3d4a52';
    c.lineWidth = 4;
    c.strokeRect(x, 84, 90, 166);
  }
  c.fillStyle = '#39444b';
  c.fillRect(296, 62, 368, 22);
  const walk = wave(turn, 20);
  const comesIn = ramp(turn, 0.05, 0.48);
  if (turn > 0.05 && turn < 0.5)
    person(c, {
      x: mix(480, 300, comesIn),
      y: mix(252, 640, comesIn ** 1.4),
      height: mix(92, 300, comesIn ** 1.4),
      stride: walk,
      coat: '#34568b',
      trousers: '#2b2f36',
      hair: '#3a2a1e',
      bag: '#7d4f2a',
    });
  person(c, {
    x: 800,
    y: 300,
    height: 112,
    stride: 0.08 * wave(turn, 2),
    coat: '#2e3c33',
    trousers: '#22262a',
    hair: '#1c1a19',
  });
  c.fillStyle = '#7a6350';
  c.fillRect(680, 252, 250, 14);
  c.fillStyle = '#5a4636';
  c.fillRect(690, 264, 230, 68);
  const goesOut = ramp(turn, 0.46, 0.82);
  if (turn > 0.46 && turn < 0.83)
    person(c, {
      x: mix(1010, 470, goesOut),
      y: mix(520, 252, goesOut ** 0.8),
      height: mix(230, 92, goesOut ** 0.8),
      stride: walk,
      coat: '#9c3d3d',
      trousers: '#3b4048',
      hair: '#6b4a2b',
    });
  const crosses = turn < 0.25 ? turn + 0.75 : turn - 0.25;
  if (crosses > 0.45)
    person(c, {
      x: mix(-60, 1020, (crosses - 0.45) / 0.55),
      y: 420,
      height: 190,
      stride: wave(turn, 18),
      coat: '#b08a3e',
      trousers: '#40372c',
      hair: '#22201e',
      bag: '#33383c',
    });
}

function asphalt(c) {
  c.fillStyle = vertical(c, 0, 170, '#2b3a4f', '#8b8f98', '#d0b8a0');
  c.fillRect(0, 0, WIDTH, 170);
  for (const [x, w, h] of [
    [0, 150, 60],
    [140, 90, 92],
    [240, 170, 48],
    [430, 110, 80],
    [560, 190, 56],
    [760, 90, 100],
    [860, 110, 66],
  ]) {
    c.fillStyle = '#3c444c';
    c.fillRect(x, 170 - h, w, h);
    for (let wx = x + 10; wx < x + w - 10; wx += 22)
      for (let wy = 170 - h + 10; wy < 158; wy += 18) {
        c.fillStyle = (wx * 7 + wy * 3) % 5 < 2 ? '#e2c47c' : '#2f373e';
        c.fillRect(wx, wy, 9, 8);
      }
  }
  c.fillStyle = '#4f6b4a';
  c.fillRect(0, 166, WIDTH, 22);
  c.fillStyle = vertical(c, 186, HEIGHT, '#4d5156', '#6a6d70');
  c.fillRect(0, 186, WIDTH, HEIGHT - 186);
  c.strokeStyle = '#d5d7d2';
  for (let bay = 0; bay < 8; bay += 1) {
    c.lineWidth = 3;
    c.beginPath();
    c.moveTo(40 + bay * 128, 206);
    c.lineTo(10 + bay * 134, 282);
    c.stroke();
    c.lineWidth = 5;
    c.beginPath();
    c.moveTo(-30 + bay * 150, 420);
    c.lineTo(-80 + bay * 165, 540);
    c.stroke();
  }
  c.setLineDash([34, 26]);
  c.lineWidth = 4;
  c.beginPath();
  c.moveTo(0, 352);
  c.lineTo(WIDTH, 352);
  c.stroke();
  c.setLineDash([]);
  const colours = ['#7d8a93', '#8c2f2f', '#e1e3e1', '#2f4b66', '#33373a'];
  [0, 1, 3, 4, 6].forEach((bay, index) => {
    car(c, { x: 92 + bay * 131, y: 272, length: 112, colour: colours[index], flip: index % 2 === 1 });
  });
  for (const x of [250, 700]) {
    c.fillStyle = '#23282c';
    c.fillRect(x, 90, 6, 112);
    c.fillRect(x - 26, 88, 58, 6);
    glow(c, x + 3, 98, 120, 'rgba(255,225,160,0.4)');
  }
}

function carPark(c, turn) {
  background(c, 'car park', asphalt);
  const first = ramp(turn, 0, 0.42);
  if (turn < 0.44)
    car(c, {
      x: mix(-160, 1130, first),
      y: 388,
      length: 178,
      colour: '#3f6f8f',
      lights: true,
      roll: first * 60,
    });
  const second = ramp(turn, 0.5, 0.95);
  if (turn > 0.5)
    car(c, {
      x: mix(1150, -190, second),
      y: 336,
      length: 150,
      colour: '#c9b458',
      flip: true,
      lights: true,
      roll: second * 60,
    });
  const back = (turn + 0.35) % 1;
  person(c, {
    x: mix(1000, -40, back),
    y: 306,
    height: 92,
    stride: wave(turn, 19),
    coat: '#5b4a7a',
    trousers: '#2a2d31',
    hair: '#2a211b',
  });
  car(c, { x: 128, y: 524, length: 236, colour: '#70757a' });
  car(c, { x: 800, y: 528, length: 244, colour: '#8a3b32', flip: true });
  const near = (turn + 0.72) % 1;
  person(c, {
    x: mix(-60, 1020, near),
    y: 476,
    height: 168,
    stride: wave(turn, 22),
    coat: '#c86f2d',
    trousers: '#33404d',
    hair: '#463524',
    bag: '#26323b',
  });
}

function station(c) {
  c.fillStyle = vertical(c, 0, HEIGHT, '#27313a', '#48525a');
  c.fillRect(0, 0, WIDTH, HEIGHT);
  polygon(
    c,
    [
      [0, 40],
      [WIDTH, 40],
      [WIDTH, 92],
      [0, 128],
    ],
    '#1d242a',
  );
  for (let x = 30; x < WIDTH; x += 150) {
    c.fillStyle = '#e8efe9';
    c.fillRect(x, 84, 84, 6);
    glow(c, x + 42, 90, 110, 'rgba(225,240,230,0.22)');
  }
  c.fillStyle = '#56626a';
  c.fillRect(0, 140, WIDTH, 150);
  for (let x = 0; x < WIDTH; x += 48) {
    c.fillStyle = x % 96 ? '#5d6a72' : '#525e66';
    c.fillRect(x, 140, 46, 150);
  }
  c.fillStyle = '#1f5c8a';
  c.fillRect(390, 178, 190, 44);
  c.fillStyle = '#ffffff';
  c.font = '600 24px "DejaVu Sans"';
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.fillText('Nordhavn', 485, 201);
  c.textAlign = 'left';
  c.fillStyle = '#23282c';
  c.fillRect(0, 290, WIDTH, 70);
  for (const y of [312, 340]) {
    c.fillStyle = '#8e979c';
    c.fillRect(0, y, WIDTH, 4);
  }
  c.fillStyle = vertical(c, 360, HEIGHT, '#7f8283', '#a2a4a2');
  c.fillRect(0, 360, WIDTH, HEIGHT - 360);
  c.fillStyle = '#d8b13a';
  c.fillRect(0, 376, WIDTH, 10);
  c.strokeStyle = 'rgba(60,62,62,0.35)';
  for (let x = -400; x < 1400; x += 92) {
    c.beginPath();
    c.moveTo(480 + (x - 480) * 0.72, 386);
    c.lineTo(x, HEIGHT);
    c.stroke();
  }
}

function train(c, left) {
  for (let wagon = 0; wagon < 4; wagon += 1) {
    const x = left + wagon * 356;
    if (x > WIDTH || x < -360) continue;
    c.fillStyle = vertical(c, 150, 340, '#d9dee0', '#b6bec2');
    c.beginPath();
    c.roundRect(x, 150, 350, 190, 14);
    c.fill();
    c.fillStyle = '#b3262d';
    c.fillRect(x, 272, 350, 30);
    c.fillStyle = '#1c2a35';
    c.fillRect(x + 14, 178, 322, 68);
    c.fillStyle = '#e7d9a8';
    for (let w = 0; w < 5; w += 1) c.fillRect(x + 22 + w * 64, 184, 52, 56);
    c.fillStyle = '#8f9aa0';
    for (const door of [70, 226]) {
      c.fillRect(x + door, 172, 54, 160);
      c.fillStyle = '#22323f';
      c.fillRect(x + door + 6, 182, 18, 70);
      c.fillRect(x + door + 30, 182, 18, 70);
      c.fillStyle = '#8f9aa0';
    }
    c.fillStyle = '#2d3338';
    c.fillRect(x + 20, 336, 310, 12);
  }
}

function platform(c, turn) {
  background(c, 'platform', station);
  const arrived = 1 - (1 - Math.min(1, turn / 0.3)) ** 2.2;
  const left = (Math.max(0, turn - 0.68) / 0.3) ** 2.2 * 1600;
  train(c, mix(1000, -230, arrived) - left);
  const waiting = [
    { x: 150, y: 420, height: 150, coat: '#3b5f4a', trousers: '#2a2d30', hair: '#2c211a', bag: '#503a2c' },
    { x: 250, y: 446, height: 168, coat: '#7a3550', trousers: '#23262b', hair: '#5a3d24' },
    { x: 690, y: 428, height: 154, coat: '#c7c1b0', trousers: '#4a4f56', hair: '#191716', bag: '#1e4a66' },
  ];
  waiting.forEach((figure, index) => {
    person(c, {
      ...figure,
      x: figure.x + 4 * wave(turn, 2, index / 3),
      stride: 0.12 * wave(turn, 3, index / 4),
    });
  });
  const along = (turn + 0.15) % 1;
  person(c, {
    x: mix(-80, 1040, along),
    y: 492,
    height: 208,
    stride: wave(turn, 21),
    coat: '#2e4d7c',
    trousers: '#3a3530',
    hair: '#7a5a34',
    bag: '#8d2f2f',
  });
  const against = (turn + 0.6) % 1;
  person(c, {
    x: mix(1040, -80, against),
    y: 528,
    height: 236,
    stride: wave(turn, 19),
    coat: '#4c4f54',
    trousers: '#2b3440',
    hair: '#2b2622',
  });
}

function hallwayDoorsAndLamps(c, x, y) {
  for (const depth of [0.12, 0.36, 0.58, 0.75]) {
    for (const side of [-1, 1]) {
      const near = mix(480, 76, depth) * side + x;
      const far = mix(480, 76, depth + 0.13) * side + x;
      const top = d => mix(-40, y - 40, d ** 0.9);
      const foot = d => mix(HEIGHT, y + 62, d);
      polygon(
        c,
        [
          [near, mix(120, top(depth), 0.4)],
          [far, mix(130, top(depth + 0.13), 0.45)],
          [far, foot(depth + 0.13)],
          [near, foot(depth)],
        ],
        side < 0 ? '#7d5f47' : '#71553f',
      );
    }
  }
  for (const depth of [0.05, 0.3, 0.55, 0.78]) {
    const [top, half] = [mix(0, y - 56, depth) + 6, mix(200, 30, depth)];
    polygon(
      c,
      [
        [x - half, top],
        [x + half, top],
        [x + half * 0.82, top + mix(26, 5, depth)],
        [x - half * 0.82, top + mix(26, 5, depth)],
      ],
      '#fdfef6',
    );
  }
}

function hallway(c) {
  const [x, y] = [480, 232];
  c.fillStyle = '#c9cdc7';
  c.fillRect(0, 0, WIDTH, HEIGHT);
  polygon(
    c,
    [
      [0, 0],
      [WIDTH, 0],
      [x + 76, y - 56],
      [x - 76, y - 56],
    ],
    '#dfe3df',
  );
  polygon(
    c,
    [
      [0, HEIGHT],
      [WIDTH, HEIGHT],
      [x + 76, y + 62],
      [x - 76, y + 62],
    ],
    vertical(c, y, HEIGHT, '#5f7480', '#8296a0'),
  );
  polygon(
    c,
    [
      [0, 0],
      [x - 76, y - 56],
      [x - 76, y + 62],
      [0, HEIGHT],
    ],
    '#b7bdb6',
  );
  polygon(
    c,
    [
      [WIDTH, 0],
      [x + 76, y - 56],
      [x + 76, y + 62],
      [WIDTH, HEIGHT],
    ],
    '#aab1ab',
  );
  c.fillStyle = '#8fa3ad';
  c.fillRect(x - 76, y - 56, 152, 118);
  c.fillStyle = '#d7e6ee';
  c.fillRect(x - 40, y - 34, 80, 96);
  hallwayDoorsAndLamps(c, x, y);
  c.fillStyle = '#1d7a4a';
  c.fillRect(x - 30, y - 54, 60, 14);
}

function corridor(c, turn) {
  background(c, 'corridor', hallway);
  const at = (depth, side) => ({
    x: 480 + mix(300, 30, depth) * side,
    y: mix(600, 296, depth ** 0.7),
    height: mix(400, 76, depth ** 0.7),
  });
  const there = ramp(turn, 0.02, 0.5);
  const back = ramp(turn, 0.5, 0.98);
  const far = {
    ...at(turn < 0.5 ? there : 1 - back, 0.32),
    stride: wave(turn, 21),
    coat: '#e8ecee',
    trousers: '#4e6a7d',
    hair: '#4a3422',
    bag: '#6b7d33',
  };
  const nurse = {
    ...at(Math.abs(wave(turn, 0.5, 0.1)), -0.42),
    stride: wave(turn, 17),
    coat: '#3c8c87',
    trousers: '#2f6a68',
    hair: '#221d1b',
  };
  for (const figure of [far, nurse].sort((a, b) => a.y - b.y)) person(c, figure);
  if (turn > 0.3 && turn < 0.52) {
    const cart = (turn - 0.3) / 0.22;
    const x = mix(330, 640, cart);
    c.fillStyle = '#d7dadb';
    c.fillRect(x - 46, 318, 84, 38);
    c.fillStyle = '#7b868c';
    c.fillRect(x - 50, 312, 92, 8);
    person(c, {
      x: x - 70,
      y: 366,
      height: 124,
      stride: wave(turn, 22),
      coat: '#5a6f9c',
      trousers: '#39424f',
      hair: '#312519',
    });
  }
  if (wave(turn, 31) > 0.86 && turn > 0.6 && turn < 0.75) {
    c.fillStyle = 'rgba(20,24,28,0.16)';
    c.fillRect(0, 0, WIDTH, HEIGHT);
  }
}

const scenes = {
  entrance: { label: 'ENTRANCE', draw: entrance },
  'car-park': { label: 'CAR PARK', draw: carPark },
  platform: { label: 'PLATFORM 2', draw: platform },
  corridor: { label: 'CORRIDOR B', draw: corridor },
};

/** Draws one frame on the page's canvas and returns it as a PNG data URL. */
globalThis.drawFrame = (name, frame, frameCount) => {
  const canvas = document.querySelector('canvas');
  const c = canvas.getContext('2d');
  scenes[name].draw(c, frame / frameCount);
  overlay(c, { label: scenes[name].label, frame });
  return canvas.toDataURL('image/jpeg', 0.97);
};
