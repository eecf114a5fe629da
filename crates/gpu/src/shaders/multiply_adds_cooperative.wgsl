// Multiply-adds of a matrix unit in registers: four matrices of sums a subgroup, which do not wait
// for each other.
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
    for (var i = lane; i < 4u * SIZE * SIZE; i += THREADS) {
        patches[i] = 0.0;
    }
    workgroupBarrier();
    let a = coopLoad<MATRIX_A>(&operand_tile[0], SIZE);
    let b = coopLoadT<MATRIX_B>(&operand_tile[0], SIZE);
    let own = subgroup * SIZE * SIZE;
    var first = coopLoadT<MATRIX_C>(&patches[own], SIZE);
    var second = coopLoadT<MATRIX_C>(&patches[own], SIZE);
    var third = coopLoadT<MATRIX_C>(&patches[own], SIZE);
    var fourth = coopLoadT<MATRIX_C>(&patches[own], SIZE);
    workgroupBarrier();
    for (var step = 0u; step < args.steps; step++) {
        first = coopMultiplyAdd(a, b, first);
        second = coopMultiplyAdd(a, b, second);
        third = coopMultiplyAdd(a, b, third);
        fourth = coopMultiplyAdd(a, b, fourth);
    }
    // Every matrix of sums is read, so that none can be left out.
    let at = lane % (4u * SIZE * SIZE);
    coopStoreT(first, &patches[own], SIZE);
    workgroupBarrier();
    var sum = patches[at];
    workgroupBarrier();
    coopStoreT(second, &patches[own], SIZE);
    workgroupBarrier();
    sum += patches[at];
    workgroupBarrier();
    coopStoreT(third, &patches[own], SIZE);
    workgroupBarrier();
    sum += patches[at];
    workgroupBarrier();
    coopStoreT(fourth, &patches[own], SIZE);
    workgroupBarrier();
    sum += patches[at];
    let thread = group_number(group) * THREADS + lane;
    arena[args.y + thread % args.numbers] = sum;
}
