// out[m, n] = left[m, k] right[k, n] + bias[n], as `product.wgsl` computes it, with matrices of
// SIZE x SIZE that a subgroup holds and multiplies together. A group has four subgroups, each with
// a quarter of the tile: 32 x 32 sums. The sum of an element runs over k in order.
//
// Operands in bf16 are multiplied as f16 where SCALES: each row of the left matrix and each column
// of the right one is multiplied by the power of two that brings its largest number to between 2^14
// and 2^15, and the sum is divided by both. f16 has more digits than bf16, so that all numbers down
// to 2^-31 of the largest of their row stay exact; those below 2^-39 of it become 0. A row's scale
// depends on nothing but the row.
const TILE: u32 = 64u;
const THREADS: u32 = 4u * SUBGROUP;

var<workgroup> left_tile: array<ELEMENT, STEP * PITCH>;
var<workgroup> right_tile: array<ELEMENT, STEP * PITCH>;
// A matrix of sums of each subgroup.
var<workgroup> patches: array<f32, 4u * SIZE * SIZE>;
// The bits of the largest number of each row of the left tile, then of each column of the right.
var<workgroup> largest: array<atomic<u32>, 2u * TILE>;
// The exponents of their scales.
var<workgroup> exponents: array<i32, 2u * TILE>;

fn left_at(m: u32, k: u32) -> f32 {
    let row = select(k, m, LEFT_K_FAST);
    let column = select(m, k, LEFT_K_FAST);
    return operand(LEFT[args.left + row * args.left_pitch + column]);
}

fn right_at(n: u32, k: u32) -> f32 {
    let row = select(k, n, RIGHT_K_FAST);
    let column = select(n, k, RIGHT_K_FAST);
    return operand(RIGHT[args.right + row * args.right_pitch + column]);
}

fn magnitude(x: f32) -> u32 {
    return bitcast<u32>(x) & 0x7fffffffu;
}

fn power_of_two(exponent: i32) -> f32 {
    return bitcast<f32>(u32(exponent + 127) << 23u);
}

// Finds the scales of a tile's rows and columns.
fn find_scales(lane: u32, first_m: u32, first_n: u32, first_k: u32, end_k: u32) {
    for (var i = lane; i < 2u * TILE; i += THREADS) {
        atomicStore(&largest[i], 0u);
    }
    workgroupBarrier();
    for (var i = lane; i < 32u * TILE; i += THREADS) {
        let m = select(i % TILE, i / 32u, LEFT_K_FAST);
        var most = 0u;
        if (first_m + m < args.m) {
            let from_k = first_k + select(i / TILE, i % 32u, LEFT_K_FAST);
            for (var k = from_k; k < end_k; k += 32u) {
                most = max(most, magnitude(left_at(first_m + m, k)));
            }
        }
        atomicMax(&largest[m], most);
        let n = select(i % TILE, i / 32u, RIGHT_K_FAST);
        most = 0u;
        if (first_n + n < args.n) {
            let from_k = first_k + select(i / TILE, i % 32u, RIGHT_K_FAST);
            for (var k = from_k; k < end_k; k += 32u) {
                most = max(most, magnitude(right_at(first_n + n, k)));
            }
        }
        atomicMax(&largest[TILE + n], most);
    }
    workgroupBarrier();
    for (var i = lane; i < 2u * TILE; i += THREADS) {
        // The exponent of the largest number, with its bias of 127.
        let biased = i32(atomicLoad(&largest[i]) >> 23u);
        // Infinity and NaN stay what they are. The scale of tiny numbers must be a number itself.
        exponents[i] = select(141 - max(biased, 15), 0, biased == 255);
    }
    workgroupBarrier();
}

fn load_tiles(lane: u32, first_m: u32, first_n: u32, first_k: u32, end_k: u32) {
    for (var i = lane; i < STEP * TILE; i += THREADS) {
        var k = select(i / TILE, i % STEP, LEFT_K_FAST);
        let m = select(i % TILE, i / STEP, LEFT_K_FAST);
        var value = 0.0;
        if (first_m + m < args.m && first_k + k < end_k) {
            value = left_at(first_m + m, first_k + k);
            if (SCALES) {
                value *= power_of_two(exponents[m]);
            }
        }
        left_tile[k * PITCH + m] = ELEMENT(value);
        k = select(i / TILE, i % STEP, RIGHT_K_FAST);
        let n = select(i % TILE, i / STEP, RIGHT_K_FAST);
        value = 0.0;
        if (first_n + n < args.n && first_k + k < end_k) {
            value = right_at(first_n + n, first_k + k);
            if (SCALES) {
                value *= power_of_two(exponents[TILE + n]);
            }
        }
        right_tile[k * PITCH + n] = ELEMENT(value);
    }
}

// Writes a matrix of each subgroup, which begins at (m, n) of the subgroup's quarter.
fn write_patches(group: vec3<u32>, lane: u32, m: u32, n: u32) {
    for (var i = lane; i < 4u * SIZE * SIZE; i += THREADS) {
        let quarter = i / (SIZE * SIZE);
        let tile_m = quarter / 2u * 32u + m + i / SIZE % SIZE;
        let tile_n = quarter % 2u * 32u + n + i % SIZE;
        let row = group.y * TILE + tile_m;
        let column = group.x * TILE + tile_n;
        if (row < args.m && column < args.n) {
            var sum = patches[i];
            if (SCALES) {
                // In two steps, for the power itself may be no number.
                let exponent = -(exponents[tile_m] + exponents[TILE + tile_n]);
                let half = exponent / 2;
                sum = sum * power_of_two(half) * power_of_two(exponent - half);
            }
            let at = group.z * args.m * args.n + row * args.n + column;
            write(args.out + at, column, sum);
        }
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let first_m = group.y * TILE;
    let first_n = group.x * TILE;
    let end_k = min((group.z + 1u) * args.k_of_part, args.k);
    if (SCALES) {
        find_scales(lane, first_m, first_n, group.z * args.k_of_part, end_k);
    }
    let block_m = subgroup / 2u * 32u;
    let block_n = subgroup % 2u * 32u;
    // Sums begin as a matrix of zeros in memory: a declared matrix holds zeros in WGSL, but need
    // not in what WGSL is translated to.
    for (var i = lane; i < 4u * SIZE * SIZE; i += THREADS) {
        patches[i] = 0.0;
    }
    workgroupBarrier();
    DECLARE_SUMS
    for (var first_k = group.z * args.k_of_part; first_k < end_k; first_k += STEP) {
        load_tiles(lane, first_m, first_n, first_k, end_k);
        workgroupBarrier();
        for (var k = 0u; k < STEP; k += SIZE) {
            MULTIPLY
        }
        workgroupBarrier();
    }
    WRITE_SUMS
}
