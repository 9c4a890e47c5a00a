/** What makes a decoded token the same as one that was read among others: to the bit. */
import { assertClose, EXACT } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { randomFrom } from "../random.ts";

// Few rows and many take different ways; so do whole panels, single columns and long rows.
const SHAPES = [{ n: 16, k: 4 }, { n: 33, k: 7 }, { n: 1, k: 300 }, { n: 70, k: 513 }];
const ROWS = 20;

for (const { n, k } of SHAPES) {
  for (const transposeB of [false, true]) {
    const shape = JSON.stringify({ n, k, transposeB });

    testOnEach(
      `matmul() gives a row the same bits alone as among others ${shape}`,
      async (device) => {
        const random = randomFrom(5);
        using a = device.tensor([ROWS, k], { data: random.normal(ROWS * k) });
        using b = device.tensor(transposeB ? [n, k] : [k, n], { data: random.normal(n * k) });
        using whole = device.tensor([ROWS, n]);
        using apart = device.tensor([ROWS, n]);
        device.matmul(a, b, whole, { transposeB });
        for (
          let row = 0, count = 1;
          row < ROWS;
          row += count, count = Math.min(count + 1, ROWS - row)
        ) {
          device.matmul(device.view(a, row, count), b, device.view(apart, row, count), {
            transposeB,
          });
        }
        assertClose(await device.read(apart), await device.read(whole), EXACT);
      },
    );
  }

  testOnEach(
    `matmul() goes on to the same bits where it stopped ${JSON.stringify({ n, k })}`,
    async (device) => {
      const random = randomFrom(6);
      const first = k >> 1;
      // Transposed, a part of the steps is a part of the rows, which a view can be of.
      using a = device.tensor([k, ROWS], { data: random.normal(ROWS * k) });
      using b = device.tensor([k, n], { data: random.normal(n * k) });
      using whole = device.tensor([ROWS, n]);
      using inTwo = device.tensor([ROWS, n]);
      device.matmul(a, b, whole, { transposeA: true });
      for (const [at, count] of [[0, first], [first, k - first]]) {
        const options = { transposeA: true, accumulate: at > 0 };
        device.matmul(device.view(a, at, count), device.view(b, at, count), inTwo, options);
      }
      assertClose(await device.read(inTwo), await device.read(whole), EXACT);
    },
  );
}
