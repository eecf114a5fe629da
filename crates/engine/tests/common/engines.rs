//! The list of engines. A line in each list here runs an engine through every suite.

use gptlab_engine::{
    Engine,
    cpu::{CpuEngine, CpuOptions, Isa, Kind, OperandType},
    oracle::Oracle,
};
use gptlab_model::Graph;

use super::tolerance::Tolerance;

/// An engine under test, and its tolerance against the oracle.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    pub(crate) make: fn(Graph, &[f32]) -> Box<dyn Engine>,
    pub(crate) tolerance: Tolerance,
}

const ORACLE: Candidate = Candidate {
    name: "oracle",
    make: |graph, weights| Box::new(oracle(graph, weights)),
    tolerance: Tolerance::F32,
};

const CPU: Candidate = Candidate {
    name: "cpu",
    make: |graph, weights| Box::new(cpu(graph, weights, 1)),
    tolerance: Tolerance::F32,
};

const CPU_OF_MANY_THREADS: Candidate = Candidate {
    name: "cpu, 3 threads",
    make: |graph, weights| Box::new(cpu(graph, weights, 3)),
    tolerance: Tolerance::F32,
};

const CPU_PORTABLE: Candidate = Candidate {
    name: "cpu, portable",
    make: |graph, weights| Box::new(cpu_of(graph, weights, Kind::Portable)),
    tolerance: Tolerance::F32,
};

const CPU_AVX2: Candidate = Candidate {
    name: "cpu, avx2",
    make: |graph, weights| Box::new(cpu_of(graph, weights, Kind::Avx2)),
    tolerance: Tolerance::F32,
};

const CPU_OF_TWO_THREADS: Candidate = Candidate {
    name: "cpu, 2 threads",
    make: |graph, weights| Box::new(cpu(graph, weights, 2)),
    tolerance: Tolerance::F32,
};

const CPU_OF_EIGHT_THREADS: Candidate = Candidate {
    name: "cpu, 8 threads",
    make: |graph, weights| Box::new(cpu(graph, weights, 8)),
    tolerance: Tolerance::F32,
};

const CPU_BF16: Candidate = Candidate {
    name: "cpu, bf16",
    make: |graph, weights| Box::new(cpu_in_bf16(graph, weights, Isa::detect())),
    tolerance: Tolerance::Bf16,
};

const CPU_AVX2_BF16: Candidate = Candidate {
    name: "cpu, avx2, bf16",
    make: |graph, weights| Box::new(cpu_in_bf16(graph, weights, isa(Kind::Avx2))),
    tolerance: Tolerance::Bf16,
};

const CPU_PORTABLE_BF16: Candidate = Candidate {
    name: "cpu, portable, bf16",
    make: |graph, weights| Box::new(cpu_in_bf16(graph, weights, Isa::PORTABLE)),
    tolerance: Tolerance::Bf16,
};

/// Every engine: the laws hold for all.
pub(crate) const CANDIDATES: &[Candidate] = &[ORACLE, CPU, CPU_OF_MANY_THREADS, CPU_BF16];

/// The engines that are compared with the oracle.
pub(crate) const WITNESSED: &[Candidate] = &[CPU, CPU_AVX2, CPU_PORTABLE];

/// The engines with products in bf16 that are compared with the oracle.
pub(crate) const WITNESSED_IN_BF16: &[Candidate] = &[CPU_BF16, CPU_AVX2_BF16, CPU_PORTABLE_BF16];

/// One engine with different numbers of threads, which must not change any result.
pub(crate) const TEAMS: &[Candidate] = &[
    CPU,
    CPU_OF_TWO_THREADS,
    CPU_OF_MANY_THREADS,
    CPU_OF_EIGHT_THREADS,
];

pub(crate) fn oracle(graph: Graph, weights: &[f32]) -> Oracle {
    Oracle::new(graph, weights).expect("as many weights as the table has")
}

fn cpu(graph: Graph, weights: &[f32], threads: usize) -> CpuEngine {
    CpuEngine::new(graph, weights, CpuOptions::of_threads(threads))
        .expect("as many weights as the table has, and threads")
}

/// Makes the engine with the instructions of `kind`, or with the processor's best if it lacks them.
fn cpu_of(graph: Graph, weights: &[f32], kind: Kind) -> CpuEngine {
    let options = CpuOptions {
        isa: isa(kind),
        ..CpuOptions::of_threads(1)
    };
    CpuEngine::new(graph, weights, options).expect("as many weights as the table has")
}

fn cpu_in_bf16(graph: Graph, weights: &[f32], isa: Isa) -> CpuEngine {
    let options = CpuOptions {
        isa,
        precision: OperandType::Bf16,
        threads: 1,
    };
    CpuEngine::new(graph, weights, options).expect("as many weights as the table has")
}

fn isa(kind: Kind) -> Isa {
    Isa::try_new(kind).unwrap_or_else(Isa::detect)
}
