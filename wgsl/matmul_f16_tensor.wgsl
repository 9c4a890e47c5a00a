// out f32 [m, n] = a f16 [m, k] · b f16 [k, n], or [n, k] transposed; k a multiple of 8, n too if b
// is not transposed. Sums are f32.
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
  return subgroupMatrixLoad<Left, row_major>(&a_tiles, stage * A_SIZE + row * LONG + k, LONG);
}

fn right(stage: u32, k: u32, column: u32) -> Right {
  if (TRANSPOSE_B == 1) {
    return subgroupMatrixLoad<Right, col_major>(&b_tiles, stage * B_SIZE + column * LONG + k, LONG);
  }
  return subgroupMatrixLoad<Right, row_major>(&b_tiles, stage * B_SIZE + k * WIDE + column, WIDE);
}

// Writes a square at the edge, as far as out goes; all subgroups do at once.
fn write_edge(sum: Sum, row: u32, column: u32, subgroup: u32, own: u32) {
  let mine = 256 * subgroup;
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&squares, mine, sum, 16);
  workgroupBarrier();
  for (var i = own; i < 256; i += 32) {
    let at_row = row + i / 16;
    let at_column = column + i % 16;
    if (at_row < params.m && at_column < params.n) {
      out[params.out_at + at_row * params.n + at_column] = squares[mine + i];
    }
  }
}

fn write(sum: Sum, row: u32, column: u32, inside: bool, subgroup: u32, own: u32) {
  if (inside) {
    let at = params.out_at + row * params.n + column;
    subgroupMatrixStore<row_major>(&out, at, sum, params.n);
  } else {
    write_edge(sum, row, column, subgroup, own);
  }
}

@compute @workgroup_size(128)
fn matmul_f16_tensor(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) own: u32,
) {
  let row = 64 * (subgroup / 2);
  let column = 64 * (subgroup % 2);
  var sum_00: Sum;
  var sum_01: Sum;
  var sum_02: Sum;
  var sum_03: Sum;
  var sum_10: Sum;
  var sum_11: Sum;
  var sum_12: Sum;
  var sum_13: Sum;
  var sum_20: Sum;
  var sum_21: Sum;
  var sum_22: Sum;
  var sum_23: Sum;
  var sum_30: Sum;
  var sum_31: Sum;
  var sum_32: Sum;
  var sum_33: Sum;

  let f = fetch_of(lane, group);
  fetch(f, 0);
  place(f, 0, params.k);
  workgroupBarrier();
  let tiles = (params.k + TILE_K - 1) / TILE_K;
  var stage = 0u;
  for (var tile = 0u; tile < tiles; tile++) {
    if (tile + 1 < tiles) { fetch(f, tile + 1); }
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
    if (STAGES == 1) { workgroupBarrier(); }
    stage = (stage + 1) % STAGES;
    if (tile + 1 < tiles) { place(f, stage, params.k - (tile + 1) * TILE_K); }
    workgroupBarrier();
  }

  // Squares are written at multiples of four numbers only: DIRECT says that rows begin so.
  let inside = DIRECT == 1 && (group.y + 1) * TILE <= params.m && (group.x + 1) * TILE <= params.n;
  let to_row = group.y * TILE + row;
  let to_column = group.x * TILE + column;
  write(sum_00, to_row, to_column, inside, subgroup, own);
  write(sum_01, to_row, to_column + 16, inside, subgroup, own);
  write(sum_02, to_row, to_column + 32, inside, subgroup, own);
  write(sum_03, to_row, to_column + 48, inside, subgroup, own);
  write(sum_10, to_row + 16, to_column, inside, subgroup, own);
  write(sum_11, to_row + 16, to_column + 16, inside, subgroup, own);
  write(sum_12, to_row + 16, to_column + 32, inside, subgroup, own);
  write(sum_13, to_row + 16, to_column + 48, inside, subgroup, own);
  write(sum_20, to_row + 32, to_column, inside, subgroup, own);
  write(sum_21, to_row + 32, to_column + 16, inside, subgroup, own);
  write(sum_22, to_row + 32, to_column + 32, inside, subgroup, own);
  write(sum_23, to_row + 32, to_column + 48, inside, subgroup, own);
  write(sum_30, to_row + 48, to_column, inside, subgroup, own);
  write(sum_31, to_row + 48, to_column + 16, inside, subgroup, own);
  write(sum_32, to_row + 48, to_column + 32, inside, subgroup, own);
  write(sum_33, to_row + 48, to_column + 48, inside, subgroup, own);
}
