// out f32 [m, n] = a f16 [m, k] · b f16 [k, n], or += it where ACCUMULATE is 1; a is [k, m], b [n, k]
// where they are transposed. The second axes of a and b are multiples of 8. Sums are f32. Where k is
// cut into slices, out is [slices, m, n], to be summed (matmul_sum.wgsl).
//
// For subgroup matrices (tensor cores) as Dawn has them, in subgroups of 32. A workgroup makes a
// tile of 128 × 128, each of its four subgroups 64 × 64 as 16 squares of 16 × 16, 32 steps of k at
// once. The next steps are read while these are multiplied. Every square is a variable of its own
// and steps are written out: from an array, or in a loop, they leave the registers.

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

@group(0) @binding(3) var<storage, read_write> out: array<f32>;

// A square of each subgroup, on its way to the edge of out.
var<workgroup> squares: array<f32, 4 * 256>;

fn left(stage: u32, row: u32, k: u32) -> Left {
  if (TRANSPOSE_A == 1) {
    return subgroupMatrixLoad<Left, col_major>(&tiles, stage + k * WIDE + row, WIDE);
  }
  return subgroupMatrixLoad<Left, row_major>(&tiles, stage + row * LONG + k, LONG);
}

fn right(stage: u32, k: u32, column: u32) -> Right {
  let at = stage + A_SIZE;
  if (TRANSPOSE_B == 1) {
    return subgroupMatrixLoad<Right, col_major>(&tiles, at + column * LONG + k, LONG);
  }
  return subgroupMatrixLoad<Right, row_major>(&tiles, at + k * WIDE + column, WIDE);
}

// What a square begins with.
fn begun(to: u32, row: u32, column: u32, inside: bool) -> Sum {
  if (ACCUMULATE == 0 || !inside) { return Sum(); }
  let at = to + row * params.n + column;
  let sum = subgroupMatrixLoad<Sum, row_major>(&out, at, params.n);
  if (!SCALED) { return sum; }
  return subgroupMatrixScalarMultiply(sum, factor_of_product());
}

// Writes a square at the edge, as far as out goes; all subgroups do at once.
fn write_edge(to: u32, sum: Sum, row: u32, column: u32, subgroup: u32, own: u32) {
  let mine = 256 * subgroup;
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&squares, mine, sum, 16);
  workgroupBarrier();
  for (var i = own; i < 256; i += 32) {
    let at_row = row + i / 16;
    let at_column = column + i % 16;
    if (at_row < params.m && at_column < params.n) {
      let at = to + at_row * params.n + at_column;
      var number = squares[mine + i] / factor_of_product();
      if (ACCUMULATE == 1) { number += out[at]; }
      out[at] = number;
    }
  }
}

fn write(to: u32, sum: Sum, row: u32, column: u32, inside: bool, subgroup: u32, own: u32) {
  if (inside) {
    let at = to + row * params.n + column;
    var whole = sum;
    if (SCALED) { whole = subgroupMatrixScalarMultiply(sum, 1.0 / factor_of_product()); }
    subgroupMatrixStore<row_major>(&out, at, whole, params.n);
  } else {
    write_edge(to, sum, row, column, subgroup, own);
  }
}

@compute @workgroup_size(128)
fn matmul_f16_tensor(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) id: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) own: u32,
) {
  let row = 64 * (subgroup / 2);
  let column = 64 * (subgroup % 2);
  let to_row = group.y * TILE + row;
  let to_column = group.x * TILE + column;
  let to = params.out_at + group.z * params.m * params.n;
  // Squares are written at multiples of four numbers only: DIRECT says that rows begin so.
  let inside = DIRECT == 1 && (group.y + 1) * TILE <= params.m && (group.x + 1) * TILE <= params.n;
  var sum_00 = begun(to, to_row, to_column, inside);
  var sum_01 = begun(to, to_row, to_column + 16, inside);
  var sum_02 = begun(to, to_row, to_column + 32, inside);
  var sum_03 = begun(to, to_row, to_column + 48, inside);
  var sum_10 = begun(to, to_row + 16, to_column, inside);
  var sum_11 = begun(to, to_row + 16, to_column + 16, inside);
  var sum_12 = begun(to, to_row + 16, to_column + 32, inside);
  var sum_13 = begun(to, to_row + 16, to_column + 48, inside);
  var sum_20 = begun(to, to_row + 32, to_column, inside);
  var sum_21 = begun(to, to_row + 32, to_column + 16, inside);
  var sum_22 = begun(to, to_row + 32, to_column + 32, inside);
  var sum_23 = begun(to, to_row + 32, to_column + 48, inside);
  var sum_30 = begun(to, to_row + 48, to_column, inside);
  var sum_31 = begun(to, to_row + 48, to_column + 16, inside);
  var sum_32 = begun(to, to_row + 48, to_column + 32, inside);
  var sum_33 = begun(to, to_row + 48, to_column + 48, inside);

  var side_a = long_side(params.a_at, group.y * TILE, id);
  if (TRANSPOSE_A == 1) { side_a = wide_side(params.a_at, group.y * TILE, params.m, id); }
  var side_b = wide_side(params.b_at, group.x * TILE, params.n, id);
  if (TRANSPOSE_B == 1) { side_b = long_side(params.b_at, group.x * TILE, id); }
  let first = group.z * params.slice;
  let end = min(first + params.slice, (params.k + TILE_K - 1) / TILE_K);
  var next_a = read_a(side_a, first);
  var next_b = read_b(side_b, first);
  put(side_a, 0, next_a, params.k - first * TILE_K);
  put(side_b, A_SIZE, next_b, params.k - first * TILE_K);
  workgroupBarrier();
  var stage = 0u;
  for (var tile = first; tile < end; tile++) {
    if (tile + 1 < end) {
      next_a = read_a(side_a, tile + 1);
      next_b = read_b(side_b, tile + 1);
    }
    {
      let right_0 = right(stage, 0, column);
      let right_1 = right(stage, 0, column + 16);
      let right_2 = right(stage, 0, column + 32);
      let right_3 = right(stage, 0, column + 48);
      let left_0 = left(stage, row, 0);
      sum_00 = subgroupMatrixMultiplyAccumulate(left_0, right_0, sum_00);
      sum_01 = subgroupMatrixMultiplyAccumulate(left_0, right_1, sum_01);
      sum_02 = subgroupMatrixMultiplyAccumulate(left_0, right_2, sum_02);
      sum_03 = subgroupMatrixMultiplyAccumulate(left_0, right_3, sum_03);
      let left_1 = left(stage, row + 16, 0);
      sum_10 = subgroupMatrixMultiplyAccumulate(left_1, right_0, sum_10);
      sum_11 = subgroupMatrixMultiplyAccumulate(left_1, right_1, sum_11);
      sum_12 = subgroupMatrixMultiplyAccumulate(left_1, right_2, sum_12);
      sum_13 = subgroupMatrixMultiplyAccumulate(left_1, right_3, sum_13);
      let left_2 = left(stage, row + 32, 0);
      sum_20 = subgroupMatrixMultiplyAccumulate(left_2, right_0, sum_20);
      sum_21 = subgroupMatrixMultiplyAccumulate(left_2, right_1, sum_21);
      sum_22 = subgroupMatrixMultiplyAccumulate(left_2, right_2, sum_22);
      sum_23 = subgroupMatrixMultiplyAccumulate(left_2, right_3, sum_23);
      let left_3 = left(stage, row + 48, 0);
      sum_30 = subgroupMatrixMultiplyAccumulate(left_3, right_0, sum_30);
      sum_31 = subgroupMatrixMultiplyAccumulate(left_3, right_1, sum_31);
      sum_32 = subgroupMatrixMultiplyAccumulate(left_3, right_2, sum_32);
      sum_33 = subgroupMatrixMultiplyAccumulate(left_3, right_3, sum_33);
    }
    {
      let right_0 = right(stage, 16, column);
      let right_1 = right(stage, 16, column + 16);
      let right_2 = right(stage, 16, column + 32);
      let right_3 = right(stage, 16, column + 48);
      let left_0 = left(stage, row, 16);
      sum_00 = subgroupMatrixMultiplyAccumulate(left_0, right_0, sum_00);
      sum_01 = subgroupMatrixMultiplyAccumulate(left_0, right_1, sum_01);
      sum_02 = subgroupMatrixMultiplyAccumulate(left_0, right_2, sum_02);
      sum_03 = subgroupMatrixMultiplyAccumulate(left_0, right_3, sum_03);
      let left_1 = left(stage, row + 16, 16);
      sum_10 = subgroupMatrixMultiplyAccumulate(left_1, right_0, sum_10);
      sum_11 = subgroupMatrixMultiplyAccumulate(left_1, right_1, sum_11);
      sum_12 = subgroupMatrixMultiplyAccumulate(left_1, right_2, sum_12);
      sum_13 = subgroupMatrixMultiplyAccumulate(left_1, right_3, sum_13);
      let left_2 = left(stage, row + 32, 16);
      sum_20 = subgroupMatrixMultiplyAccumulate(left_2, right_0, sum_20);
      sum_21 = subgroupMatrixMultiplyAccumulate(left_2, right_1, sum_21);
      sum_22 = subgroupMatrixMultiplyAccumulate(left_2, right_2, sum_22);
      sum_23 = subgroupMatrixMultiplyAccumulate(left_2, right_3, sum_23);
      let left_3 = left(stage, row + 48, 16);
      sum_30 = subgroupMatrixMultiplyAccumulate(left_3, right_0, sum_30);
      sum_31 = subgroupMatrixMultiplyAccumulate(left_3, right_1, sum_31);
      sum_32 = subgroupMatrixMultiplyAccumulate(left_3, right_2, sum_32);
      sum_33 = subgroupMatrixMultiplyAccumulate(left_3, right_3, sum_33);
    }
    if (STAGES == 1) { workgroupBarrier(); } else { stage = STAGE - stage; }
    if (tile + 1 < end) {
      put(side_a, stage, next_a, params.k - (tile + 1) * TILE_K);
      put(side_b, stage + A_SIZE, next_b, params.k - (tile + 1) * TILE_K);
    }
    workgroupBarrier();
  }

  write(to, sum_00, to_row, to_column, inside, subgroup, own);
  write(to, sum_01, to_row, to_column + 16, inside, subgroup, own);
  write(to, sum_02, to_row, to_column + 32, inside, subgroup, own);
  write(to, sum_03, to_row, to_column + 48, inside, subgroup, own);
  write(to, sum_10, to_row + 16, to_column, inside, subgroup, own);
  write(to, sum_11, to_row + 16, to_column + 16, inside, subgroup, own);
  write(to, sum_12, to_row + 16, to_column + 32, inside, subgroup, own);
  write(to, sum_13, to_row + 16, to_column + 48, inside, subgroup, own);
  write(to, sum_20, to_row + 32, to_column, inside, subgroup, own);
  write(to, sum_21, to_row + 32, to_column + 16, inside, subgroup, own);
  write(to, sum_22, to_row + 32, to_column + 32, inside, subgroup, own);
  write(to, sum_23, to_row + 32, to_column + 48, inside, subgroup, own);
  write(to, sum_30, to_row + 48, to_column, inside, subgroup, own);
  write(to, sum_31, to_row + 48, to_column + 16, inside, subgroup, own);
  write(to, sum_32, to_row + 48, to_column + 32, inside, subgroup, own);
  write(to, sum_33, to_row + 48, to_column + 48, inside, subgroup, own);
}
