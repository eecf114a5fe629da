//! Units that multiply small matrices, which a subgroup of threads holds together: tensor cores,
//! matrix cores, SIMD-group matrices. WGSL calls their operands cooperative matrices.

use std::fmt;

/// A unit: it multiplies `size` x `size` matrices and sums in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MatrixUnit {
    pub(crate) operands: Operands,
    /// The rows and columns of a matrix.
    pub(crate) size: u32,
    /// The threads of a subgroup.
    pub(crate) subgroup: u32,
}

/// The type of the numbers that a unit multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operands {
    F32,
    F16,
}

/// The units of an adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MatrixUnits {
    of_f32: Option<MatrixUnit>,
    of_f16: Option<MatrixUnit>,
}

impl MatrixUnits {
    /// Returns the units that an adapter reports, and that the kernels can use: square ones, of
    /// subgroups of one length.
    pub(crate) fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let subgroup = info.subgroup_min_size;
        let needed = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SUBGROUP;
        let features = adapter.features();
        if !features.contains(needed) || subgroup != info.subgroup_max_size || subgroup == 0 {
            return Self::default();
        }
        let reported = adapter.cooperative_matrix_properties();
        let unit = |operands: Operands, ab_type| {
            let sizes = reported.iter().filter(|unit| {
                unit.ab_type == ab_type
                    && unit.cr_type == wgpu::CooperativeScalarType::F32
                    && [unit.n_size, unit.k_size] == [unit.m_size; 2]
            });
            // The larger matrices do more for each load.
            sizes.map(|unit| unit.m_size).max().map(|size| MatrixUnit {
                operands,
                size,
                subgroup,
            })
        };
        Self {
            of_f32: unit(Operands::F32, wgpu::CooperativeScalarType::F32),
            of_f16: unit(Operands::F16, wgpu::CooperativeScalarType::F16)
                .filter(|_| features.contains(wgpu::Features::SHADER_F16)),
        }
    }

    /// Returns the unit for products of operands that are rounded to bf16, or are not.
    pub(crate) fn unit(self, bf16: bool) -> Option<MatrixUnit> {
        if bf16 {
            self.of_f16.or(self.of_f32)
        } else {
            self.of_f32
        }
    }

    /// Returns all units.
    pub(crate) fn iter(self) -> impl Iterator<Item = MatrixUnit> {
        [self.of_f32, self.of_f16].into_iter().flatten()
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Returns the features that a device must be opened with.
    pub(crate) fn features(self) -> wgpu::Features {
        let mut features = wgpu::Features::empty();
        if !self.is_empty() {
            features |= wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
            features |= wgpu::Features::SUBGROUP;
        }
        if self.of_f16.is_some() {
            features |= wgpu::Features::SHADER_F16;
        }
        features
    }

    /// Returns the leave to use these features, which wgpu calls experimental.
    #[expect(
        unsafe_code,
        reason = "wgpu asks so that its users know that it may have bugs there"
    )]
    pub(crate) fn experimental_features(self) -> wgpu::ExperimentalFeatures {
        if self.is_empty() {
            return wgpu::ExperimentalFeatures::disabled();
        }
        // SAFETY: the one experimental feature in use is cooperative matrices, in kernels that are
        // within bounds: loads and stores are from arrays in shared memory whose lengths are
        // multiples of a matrix, and each kernel is checked on the user's driver before it is used.
        unsafe { wgpu::ExperimentalFeatures::enabled() }
    }
}

impl fmt::Display for MatrixUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: Vec<String> = self.iter().map(|unit| unit.to_string()).collect();
        if units.is_empty() {
            f.write_str("none")
        } else {
            f.write_str(&units.join(", "))
        }
    }
}

impl fmt::Display for MatrixUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", self.operands.name(), self.size, self.size)
    }
}

impl Operands {
    /// Returns the name of the type in WGSL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// The rows and columns of the part of a tile that one of the four subgroups of a group computes.
const BLOCK: u32 = 32;

impl MatrixUnit {
    /// Returns the extensions of WGSL that the kernel enables.
    pub(crate) fn enables(self) -> String {
        let f16 = match self.operands {
            Operands::F32 => "",
            Operands::F16 => "enable f16;\n",
        };
        format!("enable wgpu_cooperative_matrix;\n{f16}")
    }

    /// Returns the constants and the body of the product's kernel.
    pub(crate) fn product(self) -> String {
        // The distance of two rows of a tile is a multiple of 16 bytes, and not of all banks.
        let (step, pitch) = match self.operands {
            Operands::F32 => (16, 64 + 4),
            Operands::F16 => (32, 64 + 8),
        };
        let constants = format!(
            "const STEP: u32 = {step}u;\nconst PITCH: u32 = {pitch}u;\nconst SCALES: bool = {};\n",
            self.operands == Operands::F16,
        );
        let body = include_str!("shaders/product_cooperative.wgsl")
            .replace("DECLARE_SUMS", &self.declare_sums())
            .replace("MULTIPLY", &self.multiply())
            .replace("WRITE_SUMS", &self.write_sums());
        self.kernel(&constants, &body)
    }

    /// Returns the constants and the body of the kernel of multiply-adds in registers.
    pub(crate) fn multiply_adds(self) -> String {
        let body = include_str!("shaders/multiply_adds_cooperative.wgsl");
        let roles = ["A", "B", "C"];
        let body = roles.iter().fold(body.to_owned(), |body, role| {
            body.replace(&format!("MATRIX_{role}"), &self.matrix(role))
        });
        self.kernel("", &body)
    }

    fn kernel(self, constants: &str, body: &str) -> String {
        let Self { size, subgroup, .. } = self;
        let own = format!("const SIZE: u32 = {size}u;\nconst SUBGROUP: u32 = {subgroup}u;\n");
        own + constants + &body.replace("ELEMENT", self.operands.name())
    }

    /// Returns the places of the matrices of sums in a subgroup's block.
    fn places(self) -> impl Iterator<Item = (u32, u32)> {
        let along = BLOCK / self.size;
        (0..along).flat_map(move |i| (0..along).map(move |j| (i, j)))
    }

    fn matrix(self, role: &str) -> String {
        let element = if role == "C" {
            "f32"
        } else {
            self.operands.name()
        };
        format!("coop_mat{0}x{0}<{element}, {role}>", self.size)
    }

    fn declare_sums(self) -> String {
        let matrix = self.matrix("C");
        let sum = |(i, j)| {
            format!(
                "var sum_{i}_{j} = coopLoadT<{matrix}>(&patches[subgroup * SIZE * SIZE], SIZE);\n    "
            )
        };
        self.places().map(sum).collect()
    }

    /// Returns the products of a step of `SIZE` terms.
    fn multiply(self) -> String {
        let along = BLOCK / self.size;
        let (a, b) = (self.matrix("A"), self.matrix("B"));
        let loads = (0..along).map(|i| {
            let offset = i * self.size;
            // A tile has the terms as its rows: the left one is the transpose of A, the right is B.
            format!(
                "let a_{i} = coopLoad<{a}>(&left_tile[k * PITCH + block_m + {offset}u], PITCH);\n            \
                 let b_{i} = coopLoadT<{b}>(&right_tile[k * PITCH + block_n + {offset}u], PITCH);\n            "
            )
        });
        let sums = self.places().map(|(i, j)| {
            format!("sum_{i}_{j} = coopMultiplyAdd(a_{i}, b_{j}, sum_{i}_{j});\n            ")
        });
        loads.chain(sums).collect()
    }

    fn write_sums(self) -> String {
        let write = |(i, j)| {
            format!(
                "coopStoreT(sum_{i}_{j}, &patches[subgroup * SIZE * SIZE], SIZE);\n    \
                 workgroupBarrier();\n    \
                 write_patches(group, lane, {i}u * SIZE, {j}u * SIZE);\n    \
                 workgroupBarrier();\n    "
            )
        };
        self.places().map(write).collect()
    }
}
