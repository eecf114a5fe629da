// What the kernels of attention share. A row of `qkv` is the queries of all heads, then the
// keys and the values of the heads that have them. HEAD_DIM and TILE, the rows that a group shares
// at a time, are constants of the pipeline.
const TILE_LEN: u32 = TILE * HEAD_DIM;
const MASK_FULL: u32 = 0u;
const MASK_CAUSAL: u32 = 1u;

// The least score, of no key.
const LOWEST: f32 = -3.4e38;

// The longest sequence whose products are in f32 in a run with bf16.
const SHORT: u32 = 16u;

// The keys that a query sees, from the first to before the second, in a sequence that reaches from
// `first` to before `end`.
fn keys_of_query(query: u32, first: u32, end: u32) -> vec2<u32> {
    if (args.mask == MASK_FULL) {
        return vec2<u32>(first, end);
    }
    if (args.mask == MASK_CAUSAL || query - first < args.window) {
        return vec2<u32>(first, query + 1u);
    }
    return vec2<u32>(query + 1u - args.window, query + 1u);
}

// The rows of the keys that the query at `row` sees: from the first to before the second.
fn visible_keys(row: u32) -> vec2<u32> {
    return keys_of_query(row, indices[args.firsts + row], indices[args.ends + row]);
}

// The rows of the queries that see the key at `row`.
fn seeing_queries(row: u32) -> vec2<u32> {
    let end = indices[args.ends + row];
    if (args.mask == MASK_FULL) {
        return vec2<u32>(indices[args.firsts + row], end);
    }
    if (args.mask == MASK_CAUSAL || end - row < args.window) {
        return vec2<u32>(row, end);
    }
    return vec2<u32>(row, row + args.window);
}

// Whether the operands of the products in the sequence of `row` are rounded to bf16.
fn rounds(row: u32) -> bool {
    let tokens = indices[args.ends + row] - indices[args.firsts + row];
    return args.bf16 == 1u && tokens > SHORT;
}

fn operand(x: f32, is_rounded: bool) -> f32 {
    if (is_rounded) {
        return to_bf16(x);
    }
    return x;
}

// The score of a query and a key, and its derivative by their product.
fn score(product: f32, head: u32, query: u32, key: u32) -> vec2<f32> {
    var value = product * args.scale;
    var slope = args.scale;
    if (args.softcap > 0.0) {
        let fraction = tanh_of(value / args.softcap);
        value = args.softcap * fraction;
        slope *= 1.0 - fraction * fraction;
    }
    if (args.alibi == 1u) {
        let distance = max(query, key) - min(query, key);
        value -= constants[args.slopes + head] * f32(distance);
    }
    return vec2<f32>(value, slope);
}

// What dropout multiplies a weight by. Its mask is that of the transposed weights.
fn weight_factor(head: u32, query: u32, key: u32) -> f32 {
    if (args.drops == 0u) {
        return 1.0;
    }
    let first = indices[args.firsts + query];
    let tokens = indices[args.ends + query] - first;
    let row = (chunk.first_row + first) * args.heads + head * tokens + (key - first);
    let bits = mask_bits(row, (tokens + 127u) / 128u, query - first, args.purpose);
    return select(0.0, args.kept_scale, bits >= args.threshold);
}
