/** The first byte the host may use: constants of the kernels lie below. */
export function heapBase(): usize {
  return __heap_base;
}
