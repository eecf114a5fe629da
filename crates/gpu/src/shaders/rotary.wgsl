// Rotates the pairs (i, i + head_dim / 2) of the first heads of a row by the row's position, or
// back if `sign` is -1, a thread for each pair; the rest of the row passes through.
fn put(at: u32, value: f32) {
    if (args.adds == 1u) {
        arena[at] += value;
    } else {
        arena[at] = value;
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let thread = thread_number(group, lane);
    let half = args.head_dim / 2u;
    let pairs = args.width / 2u;
    if (thread >= args.rows * pairs) {
        return;
    }
    let row = thread / pairs;
    let head = (thread % pairs) / half;
    let i = (thread % pairs) % half;
    let at = row * args.width + head * args.head_dim + i;
    let a = arena[args.x + at];
    let b = arena[args.x + at + half];
    if (head >= args.heads) {
        put(args.y + at, a);
        put(args.y + at + half, b);
        return;
    }
    let angle = indices[args.positions + row] * half + i;
    let cosine = constants[args.table + angle];
    let sine = args.sign * constants[args.table + args.to_sine + angle];
    put(args.y + at, a * cosine - b * sine);
    put(args.y + at + half, b * cosine + a * sine);
}
