//! Dispatches: which kernel runs with which arguments on how many groups.

use wgpu::BufferUsages;

use crate::{
    GpuError,
    args::Args,
    context::{ARGS_PITCH, Context},
    kernel::Kernel,
};

/// The most groups along a dimension of a grid, as `common.wgsl` has it.
const GROUPS_ALONG_X: usize = 65_535;
/// The words of arguments from one dispatch to the next.
const PITCH_WORDS: usize = (ARGS_PITCH / 4) as usize;

/// A kernel, its arguments and its grid.
#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    kernel: Kernel,
    words: Vec<u32>,
    groups: [u32; 3],
}

impl Dispatch {
    /// Makes a dispatch of a kernel on a grid of groups.
    pub(crate) fn new(kernel: Kernel, args: &dyn Args, groups: [usize; 3]) -> Self {
        debug_assert_eq!(kernel.args(), args.wgsl(), "the arguments of {kernel:?}");
        Self {
            kernel,
            words: args.words(),
            groups: groups.map(|n| n as u32),
        }
    }

    /// Makes a dispatch of `groups` groups that are numbered along x, then y.
    pub(crate) fn of_groups(kernel: Kernel, args: &dyn Args, groups: usize) -> Self {
        let along_y = groups.div_ceil(GROUPS_ALONG_X);
        Self::new(kernel, args, [groups.min(GROUPS_ALONG_X), along_y, 1])
    }

    /// Makes a dispatch of `threads` threads in groups of 256.
    pub(crate) fn of_threads(kernel: Kernel, args: &dyn Args, threads: usize) -> Self {
        Self::of_groups(kernel, args, threads.div_ceil(256))
    }

    fn is_empty(&self) -> bool {
        self.groups.contains(&0)
    }
}

/// Dispatches with compiled kernels, and their arguments on the device.
#[derive(Debug)]
pub(crate) struct Recording {
    dispatches: Vec<Recorded>,
    words: wgpu::Buffer,
    args: wgpu::BindGroup,
}

/// A dispatch without its arguments.
#[derive(Debug)]
struct Recorded {
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
    groups: [u32; 3],
}

impl Recording {
    /// Compiles the kernels and copies the arguments of `dispatches`.
    pub(crate) fn new(context: &Context, dispatches: &[Dispatch]) -> Result<Self, GpuError> {
        let recorded = |dispatch: &Dispatch| -> Result<Recorded, GpuError> {
            Ok(Recorded {
                kernel: dispatch.kernel,
                pipeline: context.pipeline(dispatch.kernel)?,
                groups: dispatch.groups,
            })
        };
        let own = filled(dispatches).map(recorded);
        let own: Vec<Recorded> = own.collect::<Result<_, _>>()?;
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let words = context.buffer("arguments", own.len() * PITCH_WORDS, usage)?;
        context.write(&words, 0, &all_words(dispatches));
        let binding = wgpu::BufferBinding {
            buffer: &words,
            offset: 0,
            size: wgpu::BufferSize::new(ARGS_PITCH),
        };
        let args = context
            .device
            .create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &context.args_layout,
                entries: &[wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::Buffer(binding),
                }],
            });
        Ok(Self {
            dispatches: own,
            words,
            args,
        })
    }

    /// Returns a recording of `dispatches`: `kept`, with new arguments, if it has the same kernels
    /// and grids.
    pub(crate) fn renewed(
        kept: Option<Self>,
        context: &Context,
        dispatches: &[Dispatch],
    ) -> Result<Self, GpuError> {
        let same = |kept: &Self| {
            let own = kept.dispatches.iter().map(|own| (own.kernel, own.groups));
            own.eq(filled(dispatches).map(|of| (of.kernel, of.groups)))
        };
        match kept.filter(same) {
            Some(kept) => {
                context.write(&kept.words, 0, &all_words(dispatches));
                Ok(kept)
            }
            None => Self::new(context, dispatches),
        }
    }

    /// Adds all dispatches to `encoder`, on the buffers of `bindings`.
    pub(crate) fn encode(&self, encoder: &mut wgpu::CommandEncoder, bindings: &wgpu::BindGroup) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_bind_group(0, bindings, &[]);
        for (recorded, number) in self.dispatches.iter().zip(0u32..) {
            let [x, y, z] = recorded.groups;
            pass.set_pipeline(&recorded.pipeline);
            pass.set_bind_group(1, &self.args, &[number * ARGS_PITCH as u32]);
            pass.dispatch_workgroups(x, y, z);
        }
    }
}

fn filled(dispatches: &[Dispatch]) -> impl Iterator<Item = &Dispatch> {
    dispatches.iter().filter(|dispatch| !dispatch.is_empty())
}

/// Returns the arguments of all dispatches, at their distance on the device.
fn all_words(dispatches: &[Dispatch]) -> Vec<u32> {
    let mut words = Vec::new();
    for (dispatch, end) in filled(dispatches).zip(1..) {
        words.extend(&dispatch.words);
        words.resize(end * PITCH_WORDS, 0);
    }
    words
}
