// The gradient of the queries, a thread for each query of a head: with p the weights,
// ds = p * (mask * dy v - sum(dy * y)) and dq = ds k. The sums of dy * y are kept for the keys.
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
    var dmix: array<f32, HEAD_DIM>;
    var dquery: array<f32, HEAD_DIM>;
    var passed = 0.0;
    for (var d = 0u; d < HEAD_DIM; d++) {
        let at = args.qkv + row * args.width + head * HEAD_DIM + d;
        query[d] = operand(arena[at], is_rounded);
        let out = row * args.heads * HEAD_DIM + head * HEAD_DIM + d;
        let dy = arena[args.dy + out];
        passed = fma(dy, arena[args.y + out], passed);
        dmix[d] = operand(dy, is_rounded);
        dquery[d] = 0.0;
    }
    let log_sum = arena[args.statistics + row * args.heads + head];
    for (var tile = begin; tile < end; tile += TILE) {
        workgroupBarrier();
        load_tile(lane, tile, end, kv_head);
        workgroupBarrier();
        let last = min(min(tile + TILE, end), seen.y);
        for (var key = max(tile, seen.x); key < last; key++) {
            let at = (key - tile) * HEAD_DIM;
            var product = 0.0;
            var dweight = 0.0;
            for (var d = 0u; d < HEAD_DIM; d++) {
                product = fma(query[d], keys[at + d], product);
                dweight = fma(dmix[d], values[at + d], dweight);
            }
            let s = score(product, head, row, key);
            let weight = exp_of(s.x - log_sum);
            dweight *= weight_factor(head, row, key);
            let ds = operand(weight * (dweight - passed) * s.y, is_rounded);
            for (var d = 0u; d < HEAD_DIM; d++) {
                dquery[d] = fma(ds, keys[at + d], dquery[d]);
            }
        }
    }
    if (first + lane < args.rows) {
        for (var d = 0u; d < HEAD_DIM; d++) {
            let at = args.dqkv + row * args.width + head * HEAD_DIM + d;
            if (args.adds == 1u) {
                arena[at] += dquery[d];
            } else {
                arena[at] = dquery[d];
            }
        }
        arena[args.passed + row * args.heads + head] = passed;
    }
}
