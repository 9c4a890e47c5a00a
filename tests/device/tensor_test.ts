import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import type { Device } from "../../src/device/device.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";
import { testOnEach } from "../devices.ts";

const numbers = async (
  device: Device,
  tensor: Parameters<Device["read"]>[0],
): Promise<number[]> => [...await device.read(tensor)];

testOnEach("tensor() is zero, or holds its data converted to its type", async (device) => {
  using zeros = device.tensor([2, 3]);
  using reals = device.tensor([3], { data: [1.5, -2, 0.25] });
  using integers = device.tensor([2, 1], { dtype: "i32", data: [3, -1] });
  using halves = device.tensor([2], { dtype: "f16" });
  deepEqual(await numbers(device, zeros), [0, 0, 0, 0, 0, 0]);
  deepEqual(await numbers(device, reals), [1.5, -2, 0.25]);
  deepEqual(await numbers(device, integers), [3, -1]);
  deepEqual(await numbers(device, halves), [0, 0]);
  deepEqual([zeros.dtype, [...zeros.shape]], ["f32", [2, 3]]);
  deepEqual([integers.dtype, [...integers.shape]], ["i32", [2, 1]]);
});

testOnEach("tensor() is zero where a freed one lay", async (device) => {
  device.tensor([100], { data: new Float64Array(100).fill(3) })[Symbol.dispose]();
  using tensor = device.tensor([100]);
  deepEqual(await numbers(device, tensor), new Array(100).fill(0));
});

testOnEach("write() starts at an element, and takes f16 as patterns", async (device) => {
  using reals = device.tensor([2, 2], { data: [1, 2, 3, 4] });
  device.write(reals, Float32Array.of(8, 9), 1);
  deepEqual(await numbers(device, reals), [1, 8, 9, 4]);
  using halves = device.tensor([3], { dtype: "f16" });
  device.write(halves, Uint16Array.of(0x3c00, 0xc000), 1);
  deepEqual(await device.read(halves), Uint16Array.of(0, 0x3c00, 0xc000));
});

testOnEach("view() and reshape() share memory", async (device) => {
  using tensor = device.tensor([4, 2], { data: [0, 1, 2, 3, 4, 5, 6, 7] });
  const middle = device.view(tensor, 1, 2);
  deepEqual([...middle.shape], [2, 2]);
  deepEqual(await numbers(device, middle), [2, 3, 4, 5]);
  device.fill(device.reshape(middle, [4]), 9);
  deepEqual(await numbers(device, tensor), [0, 1, 9, 9, 9, 9, 6, 7]);
  deepEqual(await numbers(device, device.view(middle, 2, 0)), []);
});

testOnEach("fill() and copy() write all of a tensor", async (device) => {
  using x = device.tensor([2, 3]);
  using out = device.tensor([3, 2]);
  device.fill(x, -0.5);
  device.copy(x, out);
  deepEqual(await numbers(device, out), [-0.5, -0.5, -0.5, -0.5, -0.5, -0.5]);
  using integers = device.tensor([2], { dtype: "i32" });
  device.fill(integers, -7);
  deepEqual(await numbers(device, integers), [-7, -7]);
});

testOnEach("bytes counts what is held, and freeing twice counts once", (device) => {
  const before = device.bytes;
  const tensor = device.tensor([1000]);
  equal(device.bytes - before >= 4000, true, `${device.bytes - before}`);
  device.view(tensor, 0, 1)[Symbol.dispose]();
  equal(device.bytes > before, true);
  tensor[Symbol.dispose]();
  tensor[Symbol.dispose]();
  equal(device.bytes, before);
});

testOnEach("a freed tensor is refused, and so is another device's", async (device) => {
  using kept = device.tensor([2]);
  const freed = device.tensor([2]);
  const window = device.view(freed, 0, 1);
  freed[Symbol.dispose]();
  throws(() => device.fill(freed, 1), { name: "TypeError", message: /freed/ });
  throws(() => device.fill(window, 1), { name: "TypeError", message: /freed/ });
  await rejects(async () => await device.read(freed), { name: "TypeError", message: /freed/ });
  using other = referenceDevice();
  using foreign = other.tensor([2]);
  throws(() => device.add(kept, foreign, kept), { name: "TypeError", message: /another device/ });
});

testOnEach("view(), reshape(), write() and copy() refuse what does not fit", (device) => {
  using tensor = device.tensor([3, 2]);
  using other = device.tensor([5]);
  using integers = device.tensor([6], { dtype: "i32" });
  throws(() => device.view(tensor, 2, 2), RangeError);
  throws(() => device.view(tensor, -1, 2), RangeError);
  throws(() => device.reshape(tensor, [4]), { name: "RangeError", message: /3, 2.*4/ });
  throws(() => device.write(tensor, [1, 2, 3], 4), RangeError);
  throws(() => device.tensor([2], { data: [1, 2, 3] }), RangeError);
  throws(() => device.copy(tensor, other), { name: "RangeError", message: /3, 2.*5/ });
  throws(() => device.copy(tensor, integers), { name: /RangeError|TypeError/, message: /i32/ });
  throws(() => device.tensor([2.5]), RangeError);
  throws(() => device.tensor([-1]), RangeError);
});
