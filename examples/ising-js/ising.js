// The Ising model on a square with periodic edges, by Metropolis' method; speaks the model protocol.
const readline = require("node:readline");

// sfc32, whose 128 bits of state are the four integers of `random`: no Math.random, which cannot be seeded.
function generator([a, b, c, d]) {
  const next = () => {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

function simulate({ size, temperature, sweeps }, random) {
  const spins = Int8Array.from({ length: size * size }, () => (random() < 0.5 ? 1 : -1));
  const around = (x, y) =>
    spins[y * size + ((x + 1) % size)] + spins[y * size + ((x + size - 1) % size)] +
    spins[((y + 1) % size) * size + x] + spins[((y + size - 1) % size) * size + x];
  for (let i = 0; i < sweeps * size * size; i++) {
    const x = Math.floor(random() * size), y = Math.floor(random() * size);
    const cost = 2 * spins[y * size + x] * around(x, y);
    if (cost <= 0 || random() < Math.exp(-cost / temperature)) spins[y * size + x] *= -1;
  }
  let up = 0, energy = 0;
  spins.forEach((spin, i) => {
    up += spin;
    energy -= spin * around(i % size, Math.floor(i / size)) / 2;
  });
  return { magnetization: Math.abs(up) / spins.length, energy: energy / spins.length };
}

console.log(JSON.stringify({ protocol: "v1" }));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, parameters, random } = JSON.parse(line);
  console.log(JSON.stringify({ id, metrics: simulate(parameters, generator(random)) }));
}); // when standard input ends, nothing is left to wait for, and the process ends
