import type { Tensor } from "../device.ts";
import { joinBackwardShape, joinShape } from "../window.ts";
import { type Host, launch } from "./host.ts";

/** out [B, m + n, …] = a and b, row by row; asm/join_rows.ts. */
export function joinRows(host: Host, a: Tensor, b: Tensor, out: Tensor): void {
  const { B, m, n, X } = joinShape({ a, b, out });
  const addresses = [a, b, out].map((tensor) => host.address(tensor));
  launch(host, B * (m + n) * X, "joinRows", ...addresses, B, m, n, X);
}

/** Adds the parts of dOut to dA and dB; asm/join_rows.ts. */
export function joinRowsBackward(
  host: Host,
  dOut: Tensor,
  dA: Tensor | undefined,
  dB: Tensor | undefined,
): void {
  const { B, m, n, X } = joinBackwardShape(dOut, dA, dB);
  for (const [part, first, count] of [[dA, 0, m], [dB, m, n]] as const) {
    if (!part) continue;
    const addresses = [dOut, part].map((tensor) => host.address(tensor));
    launch(host, B * count * X, "joinRowsBackward", ...addresses, B, m + n, first, count, X);
  }
}
