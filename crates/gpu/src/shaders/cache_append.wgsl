// Puts the keys and values of each row where its token belongs in the cache of its text, a thread
// for each number. Keys are stored [kv_width / 2, tokens], so that threads that take neighbouring
// keys read side by side; values are stored [tokens, kv_width / 2].
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i >= args.rows * args.kv_width) {
        return;
    }
    let row = i / args.kv_width;
    let column = i % args.kv_width;
    let half = args.kv_width / 2u;
    let position = indices[args.positions + row];
    let value = arena[args.x + row * args.width + args.first_column + column];
    let keys = indices[args.slots + row] * args.slot_len + args.kv;
    if (column < half) {
        cache[keys + column * args.tokens + position] = value;
    } else {
        cache[keys + half * args.tokens + position * half + column - half] = value;
    }
}
