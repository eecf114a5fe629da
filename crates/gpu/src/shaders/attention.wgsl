// Attention with an online softmax (Dao et al. 2022): a thread for each query of a head, and 64
// queries share tiles of keys and values. A query takes its keys one by one, so that its result
// does not depend on the others of its group.
var<workgroup> keys: array<f32, TILE_LEN>;
var<workgroup> values: array<f32, TILE_LEN>;

fn load_tile(lane: u32, tile: u32, end: u32, kv_head: u32) {
    for (var e = lane; e < TILE_LEN; e += 64u) {
        let row = tile + e / HEAD_DIM;
        if (row < end) {
            let head = row * args.width + (args.heads + kv_head) * HEAD_DIM + e % HEAD_DIM;
            let is_rounded = rounds(row);
            keys[e] = operand(arena[args.qkv + head], is_rounded);
            values[e] = operand(arena[args.qkv + head + args.kv_heads * HEAD_DIM], is_rounded);
        }
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let head = group.y;
    let kv_head = head / (args.heads / args.kv_heads);
    let first = group.x * 64u;
    let begin = visible_keys(first).x;
    let end = visible_keys(min(first + 63u, args.rows - 1u)).y;
    let row = min(first + lane, args.rows - 1u);
    let is_rounded = rounds(row);
    let seen = visible_keys(row);
    var query: array<f32, HEAD_DIM>;
    var mix: array<f32, HEAD_DIM>;
    for (var d = 0u; d < HEAD_DIM; d++) {
        let at = args.qkv + row * args.width + head * HEAD_DIM + d;
        query[d] = operand(arena[at], is_rounded);
        mix[d] = 0.0;
    }
    var largest = LOWEST;
    var sum = 0.0;
    for (var tile = begin; tile < end; tile += TILE) {
        workgroupBarrier();
        load_tile(lane, tile, end, kv_head);
        workgroupBarrier();
        let last = min(min(tile + TILE, end), seen.y);
        for (var key = max(tile, seen.x); key < last; key++) {
            let at = (key - tile) * HEAD_DIM;
            var product = 0.0;
            for (var d = 0u; d < HEAD_DIM; d++) {
                product = fma(query[d], keys[at + d], product);
            }
            let s = score(product, head, row, key).x;
            if (s > largest) {
                let shrink = exp_of(largest - s);
                sum *= shrink;
                for (var d = 0u; d < HEAD_DIM; d++) {
                    mix[d] *= shrink;
                }
                largest = s;
            }
            let weight = exp_of(s - largest);
            sum += weight;
            let kept = operand(weight * weight_factor(head, row, key), is_rounded);
            for (var d = 0u; d < HEAD_DIM; d++) {
                mix[d] = fma(kept, values[at + d], mix[d]);
            }
        }
    }
    if (first + lane < args.rows) {
        let at = args.y + row * args.heads * HEAD_DIM + head * HEAD_DIM;
        for (var d = 0u; d < HEAD_DIM; d++) {
            arena[at + d] = mix[d] / sum;
        }
        arena[args.statistics + row * args.heads + head] = largest + ln_of(sum);
    }
}
