// out[m, n] = left[m, k] weights[n, k] + bias[n] for a few rows, such as the next token of each
// text: a group for a column of up to ROWS rows, which reads the weights of its column once. Each
// of the 64 threads sums every 64th term; then 8 threads for each row sum 8 of these each, and one
// adds the 8 sums. The order is that of every row, so that a row does not depend on the rows beside
// it.
const ROWS: u32 = 8u;

var<workgroup> parts: array<f32, 512>;
var<workgroup> eighths: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group);
    let column = number % args.n;
    let first = number / args.n * ROWS;
    if (first >= args.m) {
        return;
    }
    let rows = min(ROWS, args.m - first);
    var sums: array<f32, ROWS>;
    for (var k = lane; k < args.k; k += 64u) {
        let weight = operand(weights[args.right + column * args.right_pitch + k]);
        for (var i = 0u; i < rows; i++) {
            let at = args.left + (first + i) * args.left_pitch + k;
            sums[i] = fma(operand(arena[at]), weight, sums[i]);
        }
    }
    for (var i = 0u; i < rows; i++) {
        parts[i * 64u + lane] = sums[i];
    }
    workgroupBarrier();
    if (lane / 8u < rows) {
        var eighth = 0.0;
        for (var j = 0u; j < 8u; j++) {
            eighth += parts[lane / 8u * 64u + j * 8u + lane % 8u];
        }
        eighths[lane] = eighth;
    }
    workgroupBarrier();
    if (lane < rows) {
        var sum = 0.0;
        for (var j = 0u; j < 8u; j++) {
            sum += eighths[lane * 8u + j];
        }
        write(args.out + (first + lane) * args.n + column, column, sum);
    }
}
