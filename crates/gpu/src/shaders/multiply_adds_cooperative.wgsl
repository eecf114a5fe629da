// Multiply-adds of a matrix unit in registers: four matrices of sums a subgroup, which do not wait for
// each other.
const THREADS: u32 = 4u * SUBGROUP;

var<workgroup> operand_tile: array<ELEMENT, SIZE * SIZE>;
var<workgroup> patches: array<f32, 4u * SIZE * SIZE>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    for (var i = lane; i < SIZE * SIZE; i += THREADS) {
        operand_tile[i] = ELEMENT(args.factor / f32(1u + i % SIZE));
    }
    workgroupBarrier();
    let a = coopLoad<MATRIX_A>(&operand_tile[0], SIZE);
    let b = coopLoadT<MATRIX_B>(&operand_tile[0], SIZE);
    var first: MATRIX_C;
    var second: MATRIX_C;
    var third: MATRIX_C;
    var fourth: MATRIX_C;
    for (var step = 0u; step < args.steps; step++) {
        first = coopMultiplyAdd(a, b, first);
        second = coopMultiplyAdd(a, b, second);
        third = coopMultiplyAdd(a, b, third);
        fourth = coopMultiplyAdd(a, b, fourth);
    }
    let sums = first + second + third + fourth;
    coopStoreT(sums, &patches[subgroup * SIZE * SIZE], SIZE);
    workgroupBarrier();
    let thread = group_number(group) * THREADS + lane;
    arena[args.y + thread % args.numbers] = patches[lane % (4u * SIZE * SIZE)];
}
