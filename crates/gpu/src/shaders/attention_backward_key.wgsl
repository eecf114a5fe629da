// The gradients of keys and values, a thread for each key of a head of keys, which goes through the
// queries of all heads that share it: dk = ds q and dv = mask * p dy.
var<workgroup> queries: array<f32, TILE_LEN>;
var<workgroup> dmixes: array<f32, TILE_LEN>;
var<workgroup> log_sums: array<f32, TILE>;
var<workgroup> passed: array<f32, TILE>;

fn load_tile(lane: u32, tile: u32, end: u32, head: u32) {
    for (var e = lane; e < TILE_LEN; e += 64u) {
        let row = tile + e / HEAD_DIM;
        if (row < end) {
            let at = head * HEAD_DIM + e % HEAD_DIM;
            let is_rounded = rounds(row);
            queries[e] = operand(arena[args.qkv + row * args.width + at], is_rounded);
            let dy = arena[args.dy + row * args.heads * HEAD_DIM + at];
            dmixes[e] = operand(dy, is_rounded);
        }
    }
    if (lane < TILE && tile + lane < end) {
        let at = (tile + lane) * args.heads + head;
        log_sums[lane] = arena[args.statistics + at];
        passed[lane] = arena[args.passed + at];
    }
}

fn put(at: u32, value: f32) {
    if (args.adds == 1u) {
        arena[at] += value;
    } else {
        arena[at] = value;
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let kv_head = group.y;
    let shared_by = args.heads / args.kv_heads;
    let first = group.x * 64u;
    let begin = seeing_queries(first).x;
    let end = seeing_queries(min(first + 63u, args.rows - 1u)).y;
    let row = min(first + lane, args.rows - 1u);
    let is_rounded = rounds(row);
    let seen_by = seeing_queries(row);
    let key_at = row * args.width + (args.heads + kv_head) * HEAD_DIM;
    let value_at = key_at + args.kv_heads * HEAD_DIM;
    var key: array<f32, HEAD_DIM>;
    var value: array<f32, HEAD_DIM>;
    var dkey: array<f32, HEAD_DIM>;
    var dvalue: array<f32, HEAD_DIM>;
    for (var d = 0u; d < HEAD_DIM; d++) {
        key[d] = operand(arena[args.qkv + key_at + d], is_rounded);
        value[d] = operand(arena[args.qkv + value_at + d], is_rounded);
        dkey[d] = 0.0;
        dvalue[d] = 0.0;
    }
    for (var head = kv_head * shared_by; head < (kv_head + 1u) * shared_by; head++) {
        for (var tile = begin; tile < end; tile += TILE) {
            workgroupBarrier();
            load_tile(lane, tile, end, head);
            workgroupBarrier();
            let last = min(min(tile + TILE, end), seen_by.y);
            for (var query = max(tile, seen_by.x); query < last; query++) {
                let at = (query - tile) * HEAD_DIM;
                var product = 0.0;
                var dweight = 0.0;
                for (var d = 0u; d < HEAD_DIM; d++) {
                    product = fma(queries[at + d], key[d], product);
                    dweight = fma(dmixes[at + d], value[d], dweight);
                }
                let s = score(product, head, query, row);
                let weight = exp_of(s.x - log_sums[query - tile]);
                let factor = weight_factor(head, query, row);
                let slope = (dweight * factor - passed[query - tile]) * s.y;
                let ds = operand(weight * slope, is_rounded);
                let kept = operand(weight * factor, is_rounded);
                for (var d = 0u; d < HEAD_DIM; d++) {
                    dkey[d] = fma(ds, queries[at + d], dkey[d]);
                    dvalue[d] = fma(kept, dmixes[at + d], dvalue[d]);
                }
            }
        }
    }
    if (first + lane < args.rows) {
        for (var d = 0u; d < HEAD_DIM; d++) {
            put(args.dqkv + key_at + d, dkey[d]);
            put(args.dqkv + value_at + d, dvalue[d]);
        }
    }
}
