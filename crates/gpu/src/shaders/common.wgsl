// What every kernel binds. `Args` is generated from the kernel's arguments in `args.rs`; offsets
// count numbers, not bytes. Groups are numbered along x, then y, because a dimension of a grid has
// at most 65,535.

// What changes from chunk to chunk of a batch.
struct Chunk {
    // The row of the whole batch with which the chunk begins.
    first_row: u32,
    // The step, and the two words of the seed, of dropout masks.
    noise_step: u32,
    key_low: u32,
    key_high: u32,
    // Where the gradients that this chunk adds to begin.
    gradients: u32,
    // The weight of a token in the mean loss of the whole batch.
    loss_scale: f32,
}

@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(3) var<storage, read_write> first_state: array<f32>;
@group(0) @binding(4) var<storage, read_write> second_state: array<f32>;
@group(0) @binding(5) var<storage, read_write> cache: array<f32>;
@group(0) @binding(6) var<storage, read> constants: array<f32>;
@group(0) @binding(7) var<storage, read> indices: array<u32>;
@group(0) @binding(8) var<uniform> chunk: Chunk;
@group(1) @binding(0) var<uniform> args: Args;

const GROUPS_ALONG_X: u32 = 65535u;

fn group_number(group: vec3<u32>) -> u32 {
    return group.y * GROUPS_ALONG_X + group.x;
}

// The number of a thread among those of all groups of 256.
fn thread_number(group: vec3<u32>, lane: u32) -> u32 {
    return group_number(group) * 256u + lane;
}

// Compilers may assume that there is no NaN, so the bits decide.
fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// Rounds to the nearest bf16, ties to even. NaN stays NaN.
fn to_bf16(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) & 0xffff0000u;
    return select(bitcast<f32>(rounded), x, is_nan(x));
}
