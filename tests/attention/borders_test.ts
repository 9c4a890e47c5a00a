import { assertClose } from "../close.ts";
import { reference } from "../devices.ts";
import { randomText, readInCuts, smallModel } from "../memory/small_model.ts";
import { smallConfig } from "./models.ts";

Deno.test("no border of a window parts a landmark from the token before it", async () => {
  // 195 tokens end with one whose landmark is the next: a step holds both, or neither.
  const config = smallConfig({
    landmark: { block_size: 4, token_id: 256, top_blocks: 80, chunk: 8 },
    window: { size: 195 },
    mechanisms: ["window", "landmark", "window"],
  });
  using small = await smallModel(reference, 5, config);
  const ids = randomText(5, 220);
  using reader = small.reader();
  const near = { atol: 3e-5, rtol: 3e-5 };
  assertClose(await readInCuts(reader, ids, [100]), await small.dense(ids), near);
});
