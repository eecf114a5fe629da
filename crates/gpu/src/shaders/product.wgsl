// out[m, n] = left[m, k] right[k, n] + bias[n], in tiles of 64 x 64: 256 threads with 4 x 4 sums
// each, which share steps of 16 of k. The sum of an element runs over k in order, wherever the
// element lies in a tile. Groups along z take a part of k each and write to a part of their own.
//
// LEFT and RIGHT name the buffers, and `write` puts a sum in its place. Where LEFT_K_FAST,
// neighbours along k are neighbours in the left matrix, else neighbours along m are; and so for the
// right matrix, with n. Threads load what lies side by side. A thread's rows and columns are 16
// apart, so that a group's reads of shared memory hit different banks and its writes are side by
// side.
const STEP: u32 = 16u;
const TILE: u32 = 64u;
// One more than the tile, so that a column's elements lie in different banks.
const PITCH: u32 = 65u;

var<workgroup> left_tile: array<f32, 1040>;
var<workgroup> right_tile: array<f32, 1040>;

fn load_left(lane: u32, first_m: u32, first_k: u32, end_k: u32) {
    for (var i = lane; i < STEP * TILE; i += 256u) {
        let k = select(i / TILE, i % STEP, LEFT_K_FAST);
        let m = select(i % TILE, i / STEP, LEFT_K_FAST);
        var value = 0.0;
        if (first_m + m < args.m && first_k + k < end_k) {
            let row = select(first_k + k, first_m + m, LEFT_K_FAST);
            let column = select(first_m + m, first_k + k, LEFT_K_FAST);
            value = operand(LEFT[args.left + row * args.left_pitch + column]);
        }
        left_tile[k * PITCH + m] = value;
    }
}

fn load_right(lane: u32, first_n: u32, first_k: u32, end_k: u32) {
    for (var i = lane; i < STEP * TILE; i += 256u) {
        let k = select(i / TILE, i % STEP, RIGHT_K_FAST);
        let n = select(i % TILE, i / STEP, RIGHT_K_FAST);
        var value = 0.0;
        if (first_n + n < args.n && first_k + k < end_k) {
            let row = select(first_k + k, first_n + n, RIGHT_K_FAST);
            let column = select(first_n + n, first_k + k, RIGHT_K_FAST);
            value = operand(RIGHT[args.right + row * args.right_pitch + column]);
        }
        right_tile[k * PITCH + n] = value;
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first_m = group.y * TILE;
    let first_n = group.x * TILE;
    let end_k = min((group.z + 1u) * args.k_of_part, args.k);
    let m = lane / 16u;
    let n = lane % 16u;
    var sums: array<vec4<f32>, 4>;
    for (var first_k = group.z * args.k_of_part; first_k < end_k; first_k += STEP) {
        load_left(lane, first_m, first_k, end_k);
        load_right(lane, first_n, first_k, end_k);
        workgroupBarrier();
        for (var k = 0u; k < STEP; k++) {
            let r = k * PITCH + n;
            let right = vec4<f32>(
                right_tile[r],
                right_tile[r + 16u],
                right_tile[r + 32u],
                right_tile[r + 48u],
            );
            let l = k * PITCH + m;
            sums[0] = fma(vec4<f32>(left_tile[l]), right, sums[0]);
            sums[1] = fma(vec4<f32>(left_tile[l + 16u]), right, sums[1]);
            sums[2] = fma(vec4<f32>(left_tile[l + 32u]), right, sums[2]);
            sums[3] = fma(vec4<f32>(left_tile[l + 48u]), right, sums[3]);
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            let row = first_m + m + 16u * i;
            let column = first_n + n + 16u * j;
            if (row < args.m && column < args.n) {
                let at = group.z * args.m * args.n + row * args.n + column;
                write(args.out + at, column, sums[i][j]);
            }
        }
    }
}
