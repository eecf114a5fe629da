// Multiply-adds in registers, as many as a device can do: 32 sums a thread, which do not wait for each
// other. Every sum goes to 1.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let thread = thread_number(group, lane);
    let factor = vec4<f32>(args.factor);
    let term = vec4<f32>(1.0 - args.factor);
    let start = f32(lane) / 256.0;
    var a = vec4<f32>(start, start + 1.0, start + 2.0, start + 3.0);
    var b = a + 0.1;
    var c = a + 0.2;
    var d = a + 0.3;
    var e = a + 0.4;
    var f = a + 0.5;
    var g = a + 0.6;
    var h = a + 0.7;
    for (var step = 0u; step < args.steps; step++) {
        a = fma(a, factor, term);
        b = fma(b, factor, term);
        c = fma(c, factor, term);
        d = fma(d, factor, term);
        e = fma(e, factor, term);
        f = fma(f, factor, term);
        g = fma(g, factor, term);
        h = fma(h, factor, term);
    }
    let sums = a + b + c + d + e + f + g + h;
    arena[args.y + thread % args.numbers] = sums.x + sums.y + sums.z + sums.w;
}
