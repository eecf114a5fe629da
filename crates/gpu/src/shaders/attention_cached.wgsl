// Attention of the next token of each text over the keys and values in its cache, which hold the
// token's own: a group for each head of a row. The threads take a key each, then share the sums of
// the values between them by column. The softmax is online (Dao et al. 2022), over tiles of LANES
// keys that begin with the first key seen, so that a row does not depend on the rows beside it.
// Nothing is rounded to bf16.
const COLUMNS: u32 = (HEAD_DIM + LANES - 1u) / LANES;

var<workgroup> query: array<f32, HEAD_DIM>;
var<workgroup> tile_weights: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.x;
    let head = group.y;
    let kv_head = head / (args.heads / args.kv_heads);
    let kv_width = args.kv_heads * HEAD_DIM;
    let position = indices[args.positions + row];
    let seen = keys_of_query(position, 0u, position + 1u);
    let slot = indices[args.slots + row] * args.slot_len + args.kv;
    let keys = slot + kv_head * HEAD_DIM * args.tokens;
    let values = slot + kv_width * args.tokens + kv_head * HEAD_DIM;
    for (var d = lane; d < HEAD_DIM; d += LANES) {
        query[d] = arena[args.qkv + row * args.width + head * HEAD_DIM + d];
    }
    workgroupBarrier();
    var mix: array<f32, COLUMNS>;
    var largest = LOWEST;
    var sum = 0.0;
    for (var tile = seen.x; tile < seen.y; tile += LANES) {
        let count = min(LANES, seen.y - tile);
        var s = LOWEST;
        if (lane < count) {
            var product = 0.0;
            for (var d = 0u; d < HEAD_DIM; d++) {
                product = fma(query[d], cache[keys + d * args.tokens + tile + lane], product);
            }
            s = score(product, head, position, tile + lane).x;
        }
        let larger = max(largest, max_of_group(lane, s));
        let shrink = exp_of(largest - larger);
        let weight = select(0.0, exp_of(s - larger), lane < count);
        tile_weights[lane] = weight;
        // The barriers of the sum also separate the weights from their readers.
        sum = sum * shrink + sum_of_group(lane, weight);
        largest = larger;
        for (var j = 0u; j < COLUMNS; j++) {
            let d = lane + j * LANES;
            if (d < HEAD_DIM) {
                var part = mix[j] * shrink;
                for (var key = 0u; key < count; key++) {
                    let value = cache[values + (tile + key) * kv_width + d];
                    part = fma(tile_weights[key], value, part);
                }
                mix[j] = part;
            }
        }
    }
    let y = args.y + (row * args.heads + head) * HEAD_DIM;
    for (var j = 0u; j < COLUMNS; j++) {
        let d = lane + j * LANES;
        if (d < HEAD_DIM) {
            arena[y + d] = mix[j] / sum;
        }
    }
}
