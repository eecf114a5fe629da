//! Every kernel translates to the language of every interface, on any machine.

use naga::{
    back::{hlsl, msl, spv},
    front::wgsl,
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};

use super::*;
use crate::matrix_units::Operands;

fn plain() -> Vec<Kernel> {
    let passes = [
        AttentionPass::Forward,
        AttentionPass::BackwardQuery,
        AttentionPass::BackwardKey,
        AttentionPass::Cached,
    ];
    let attentions = passes.into_iter().flat_map(|pass| {
        let widths = [1, 32, 72, WIDEST_HEAD as u32];
        widths.map(|width| Kernel::Attention(pass, HeadDim(width)))
    });
    let products = PRODUCTS.map(|product| Kernel::Product(product, None));
    let others = [
        Kernel::Embedding,
        Kernel::EmbeddingBackward,
        Kernel::Add,
        Kernel::Copy,
        Kernel::Norm,
        Kernel::NormBackward,
        Kernel::ColumnSums,
        Kernel::SumParts,
        Kernel::SumShards,
        Kernel::ProductOfRows,
        Kernel::HeadNorm,
        Kernel::HeadNormBackward,
        Kernel::Rotary,
        Kernel::CacheAppend,
        Kernel::Activation,
        Kernel::ActivationBackward,
        Kernel::Gate,
        Kernel::GateBackward,
        Kernel::Dropout,
        Kernel::CrossEntropy,
        Kernel::Choose,
        Kernel::SumSquares(Source::Arena),
        Kernel::SumSquares(Source::Gradients),
        Kernel::ClipFactor,
        Kernel::InverseNorm,
        Kernel::AdamW,
        Kernel::Sgd,
        Kernel::MuonMomentum,
        Kernel::MuonStep,
        Kernel::Scale,
        Kernel::Combine,
        Kernel::MultiplyAdds(None),
    ];
    attentions.chain(products).chain(others).collect()
}

const PRODUCTS: [Product; 6] = [
    Product::Forward,
    Product::BackwardInput,
    Product::BackwardWeight,
    Product::TransposedLeft,
    Product::TransposedRight,
    Product::Plain,
];

/// Returns the kernels of units of 8 x 8 and 16 x 16, in f32 and f16.
fn cooperative() -> Vec<Kernel> {
    let units = [Operands::F32, Operands::F16].map(|operands| {
        [8, 16].map(|size| MatrixUnit {
            operands,
            size,
            subgroup: 32,
        })
    });
    let units = units.into_iter().flatten();
    units
        .flat_map(|unit| {
            let products = PRODUCTS.map(|product| Kernel::Product(product, Some(unit)));
            products
                .into_iter()
                .chain([Kernel::MultiplyAdds(Some(unit))])
        })
        .collect()
}

fn checked(kernel: Kernel) -> (naga::Module, ModuleInfo) {
    let source = kernel.source();
    let module = wgsl::parse_str(&source);
    let module = module.unwrap_or_else(|e| panic!("{kernel:?}: {}", e.emit_to_string(&source)));
    let capabilities =
        Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP | Capabilities::SHADER_FLOAT16;
    let info = Validator::new(ValidationFlags::all(), capabilities).validate(&module);
    (module, info.unwrap_or_else(|e| panic!("{kernel:?}: {e:?}")))
}

#[test]
fn every_kernel_translates_to_metal() {
    let options = msl::Options {
        // The first with SIMD-group matrices, on macOS 11.
        lang_version: (2, 3),
        ..msl::Options::default()
    };
    // Metal has matrices of 8 x 8 alone.
    let unit = |kernel: &Kernel| {
        if let Kernel::Product(_, unit) | Kernel::MultiplyAdds(unit) = kernel {
            *unit
        } else {
            None
        }
    };
    let is_of_metal = |kernel: &Kernel| unit(kernel).is_none_or(|unit| unit.size == 8);
    for kernel in plain().into_iter().chain(cooperative()).filter(is_of_metal) {
        let (module, info) = checked(kernel);
        let text = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default());
        let (text, _) = text.unwrap_or_else(|e| panic!("{kernel:?}: {e}"));
        let multiplies = text.contains("simdgroup_multiply");
        assert_eq!(multiplies, unit(&kernel).is_some(), "{kernel:?}");
    }
}

#[test]
fn every_plain_kernel_translates_to_direct3d() {
    let options = hlsl::Options::default();
    for kernel in plain() {
        let (module, info) = checked(kernel);
        let mut text = String::new();
        let pipeline = hlsl::PipelineOptions::default();
        let written = hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None);
        written.unwrap_or_else(|e| panic!("{kernel:?}: {e}"));
        assert!(text.contains("numthreads"), "{kernel:?}");
    }
}

#[test]
fn every_kernel_translates_to_vulkan() {
    let options = spv::Options {
        lang_version: (1, 6),
        capabilities: None,
        ..spv::Options::default()
    };
    for kernel in plain().into_iter().chain(cooperative()) {
        let (module, info) = checked(kernel);
        let words = spv::write_vec(&module, &info, &options, None);
        let words = words.unwrap_or_else(|e| panic!("{kernel:?}: {e}"));
        assert!(words.len() > 100, "{kernel:?}");
    }
}

/// The shared memory that every adapter has.
#[test]
fn products_by_units_fit_the_shared_memory() {
    for kernel in cooperative() {
        let (module, _) = checked(kernel);
        let mut layouter = naga::proc::Layouter::default();
        layouter
            .update(module.to_ctx())
            .expect("types of known sizes");
        let shared = module.global_variables.iter();
        let shared = shared.filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, v)| layouter[v.ty].size).sum();
        assert!(bytes <= 16 << 10, "{kernel:?}: {bytes}");
    }
}
