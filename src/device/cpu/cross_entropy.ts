import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { checkIndices } from "./gather.ts";
import { EXP_WORK, type Host, launch } from "./host.ts";

/** losses [T] = weights · −log softmax(logits [T, V])[target]; asm/cross_entropy.ts. */
export function crossEntropy(
  host: Host,
  logits: Tensor,
  targets: Tensor,
  weights: Tensor,
  losses: Tensor,
): void {
  const { T, V } = checkShapes("crossEntropy", { logits, targets, weights, losses });
  checkIndices(host, "crossEntropy", "targets", targets, [-1, V]);
  const inputs = [host.address(logits), host.address(targets), host.address(weights)];
  launch(host, EXP_WORK * T * V, "crossEntropy", ...inputs, host.address(losses), T, V);
}

/** Adds to dLogits [T, V]; asm/cross_entropy.ts. */
export function crossEntropyBackward(
  host: Host,
  logits: Tensor,
  targets: Tensor,
  weights: Tensor,
  dLogits: Tensor,
  { scale }: { scale: number },
): void {
  const { T, V } = checkShapes("crossEntropyBackward", { logits, targets, weights, dLogits });
  checkIndices(host, "crossEntropyBackward", "targets", targets, [-1, V]);
  const inputs = [host.address(logits), host.address(targets), host.address(weights)];
  const output = host.address(dLogits);
  launch(host, 2 * EXP_WORK * T * V, "crossEntropyBackward", ...inputs, output, T, V, scale);
}
