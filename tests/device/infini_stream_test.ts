import { testLikeReference } from "../devices.ts";
import { boundOf, writtenMemory } from "./infini_cases.ts";

const SHAPES = [
  { T: 1, H: 4, G: 2, D: 24 },
  { T: 7, H: 2, G: 2, D: 40 },
  { T: 97, H: 3, G: 1, D: 24 },
  { T: 1000, H: 2, G: 1, D: 68 },
  { T: 0, H: 1, G: 1, D: 24 },
];

for (const shape of SHAPES) {
  const { T, H, G, D } = shape;
  testLikeReference(
    `infiniRead() of ${JSON.stringify(shape)}`,
    ({ device, input, output, random }) => {
      const [q, local, gate] = [input([T, H, D]), input([T, H, D]), input([H])];
      const memory = input([G, D, D + 1], writtenMemory(random, G, D));
      device.infiniRead(q, local, gate, memory, output("out", [T, H, D]), { update: "linear" });
    },
    { atol: 5e-6, rtol: 1e-5 },
  );

  for (const update of ["linear", "delta"] as const) {
    testLikeReference(
      `infiniWrite() of ${JSON.stringify(shape)}, ${update}`,
      ({ device, input, output, random }) => {
        const [k, v] = [input([T, G, D]), input([T, G, D])];
        const memory = output("memory", [G, D, D + 1]);
        device.write(memory, writtenMemory(random, G, D));
        const remainder = device.tensor([G, D, D + 1]);
        device.infiniWrite(k, v, memory, remainder, { update });
        remainder[Symbol.dispose]();
      },
      boundOf(shape),
    );
  }
}
