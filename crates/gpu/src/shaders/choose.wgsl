// The next token of each row of logits, a group for each row, by the rule of
// `gptlab_engine::sample`. Tokens are ordered by falling logit, and those of equal logits by their
// numbers. The first `top_k` are kept, then the fewest whose weights reach `top_p` of their sum;
// the draw selects a place in the weights that are left, laid end to end. Logits that are no finite
// numbers have no place. Without any that is finite, the token is NO_TOKEN.
//
// A cut of the order is found bit by bit: its logit, then its token. A sum of more tokens is never
// smaller, for it is rounded in the same places.
const NO_TOKEN: u32 = 0xffffffffu;

// The rule of a row, as it lies among the indices.
struct Rule {
    inverse_temperature: f32,
    // 0 keeps all tokens.
    top_k: u32,
    top_p: f32,
    // The draw, from [0, 1).
    draw: f32,
}

// The last token that is kept: no key is larger, and no token of this key.
struct Cut {
    key: u32,
    token: u32,
}

// What is counted: tokens, or their weights.
struct Amount {
    first: u32,
    largest: f32,
    inverse_temperature: f32,
    counts_tokens: bool,
}

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u;
}

// Maps logits to numbers in the opposite order.
fn key_of(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    return select(bits, ~(bits | 0x80000000u), bits < 0x80000000u);
}

fn is_within(key: u32, token: u32, cut: Cut) -> bool {
    return key < cut.key || (key == cut.key && token <= cut.token);
}

// Adds up what is within both cuts.
fn amount_within(lane: u32, amount: Amount, kept: Cut, cut: Cut) -> f32 {
    var part = 0.0;
    for (var token = lane; token < args.vocab; token += LANES) {
        let x = arena[amount.first + token];
        let key = key_of(x);
        if (is_finite(x) && is_within(key, token, kept) && is_within(key, token, cut)) {
            if (amount.counts_tokens) {
                part += 1.0;
            } else {
                part += exp_of((x - amount.largest) * amount.inverse_temperature);
            }
        }
    }
    return sum_of_group(lane, part);
}

// Returns the first cut within `kept` whose amount reaches `wanted`, or exceeds it.
fn cut_at(lane: u32, amount: Amount, kept: Cut, wanted: f32, exceeds: bool) -> Cut {
    var cut = Cut(0u, 0u);
    for (var bit = 32u; bit > 0u; bit--) {
        let below = (1u << (bit - 1u)) - 1u;
        let found = amount_within(lane, amount, kept, Cut(cut.key | below, NO_TOKEN));
        if (!(found > wanted || (found == wanted && !exceeds))) {
            cut.key |= below + 1u;
        }
    }
    for (var bit = args.token_bits; bit > 0u; bit--) {
        let below = (1u << (bit - 1u)) - 1u;
        let found = amount_within(lane, amount, kept, Cut(cut.key, cut.token | below));
        if (!(found > wanted || (found == wanted && !exceeds))) {
            cut.token |= below + 1u;
        }
    }
    return cut;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group);
    if (row >= args.rows) {
        return;
    }
    let at = args.rules + 4u * row;
    let rule = Rule(
        bitcast<f32>(indices[at]),
        indices[at + 1u],
        bitcast<f32>(indices[at + 2u]),
        bitcast<f32>(indices[at + 3u]),
    );
    let first = args.logits + row * args.vocab;
    var largest = -3.4e38;
    for (var token = lane; token < args.vocab; token += LANES) {
        let x = arena[first + token];
        if (is_finite(x)) {
            largest = max(largest, x);
        }
    }
    largest = max_of_group(lane, largest);
    let all = Cut(NO_TOKEN, NO_TOKEN);
    let tokens = Amount(first, largest, rule.inverse_temperature, true);
    let weights = Amount(first, largest, rule.inverse_temperature, false);
    let count = amount_within(lane, tokens, all, all);
    var kept = all;
    if (rule.top_k > 0u) {
        kept = cut_at(lane, tokens, kept, min(f32(rule.top_k), count), false);
    }
    if (rule.top_p < 1.0) {
        let sum = amount_within(lane, weights, kept, all);
        kept = cut_at(lane, weights, kept, rule.top_p * sum, false);
    }
    if (rule.top_k != 1u) {
        let sum = amount_within(lane, weights, kept, all);
        kept = cut_at(lane, weights, kept, rule.draw * sum, true);
    }
    if (lane == 0u) {
        let token = select(kept.token, NO_TOKEN, count == 0.0);
        arena[args.chosen + row] = bitcast<f32>(token);
    }
}
