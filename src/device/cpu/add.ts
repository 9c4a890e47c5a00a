import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { type Host, launch } from "./host.ts";

/** out = a + b; asm/add.ts. */
export function add(host: Host, a: Tensor, b: Tensor, out: Tensor): void {
  const { X } = checkShapes("add", { a, b, out });
  launch(host, X, "add", host.address(a), host.address(b), host.address(out), X);
}
