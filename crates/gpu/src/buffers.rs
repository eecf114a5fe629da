//! The buffers of an engine on its device.

use gptlab_engine::{Slot, StateSlot};
use wgpu::BufferUsages;

use crate::{GpuError, context::Context};

/// What changes from chunk to chunk, in the order of `common.wgsl`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChunkArgs {
    pub(crate) first_row: u32,
    pub(crate) noise_step: u32,
    pub(crate) key: [u32; 2],
    pub(crate) gradients: u32,
    pub(crate) loss_scale: f32,
}

impl ChunkArgs {
    fn words(self) -> [u32; 6] {
        let ([low, high], scale) = (self.key, self.loss_scale.to_bits());
        [
            self.first_row,
            self.noise_step,
            low,
            high,
            self.gradients,
            scale,
        ]
    }
}

/// A buffer that kernels bind, by its binding in `common.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Arena,
    Weights,
    /// The gradients, and behind them those of each shard.
    Gradients,
    ExpAvg,
    ExpAvgSq,
    Constants,
    Indices,
    Chunk,
}

impl From<Slot> for Place {
    /// Returns the buffer that begins with the numbers of a slot.
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::Weights => Self::Weights,
            Slot::Gradients => Self::Gradients,
            Slot::State(StateSlot::First) => Self::ExpAvg,
            Slot::State(StateSlot::Second) => Self::ExpAvgSq,
        }
    }
}

/// A buffer of numbers of four bytes.
#[derive(Debug)]
struct Buffer {
    buffer: wgpu::Buffer,
    numbers: usize,
}

impl Buffer {
    fn new(context: &Context, what: &str, numbers: usize) -> Result<Self, GpuError> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let buffer = context.buffer(what, numbers, usage)?;
        Ok(Self { buffer, numbers })
    }

    fn of_chunk(context: &Context) -> Result<Self, GpuError> {
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let buffer = context.buffer("the arguments of a chunk", 0, usage)?;
        Ok(Self { buffer, numbers: 0 })
    }
}

/// All buffers that kernels bind.
#[derive(Debug)]
pub(crate) struct Buffers {
    /// The buffers in the order of [`Place`].
    all: [Buffer; 8],
    bindings: wgpu::BindGroup,
}

/// The lengths that a batch needs, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lengths {
    pub(crate) arena: usize,
    pub(crate) indices: usize,
    pub(crate) gradients: usize,
}

impl Buffers {
    /// Makes buffers for `parameters` parameters and these constants; the arena and the indices
    /// have no length yet.
    pub(crate) fn new(
        context: &Context,
        parameters: usize,
        constants: &[f32],
    ) -> Result<Self, GpuError> {
        let all = [
            Buffer::new(context, "values", 0)?,
            Buffer::new(context, "weights", parameters)?,
            Buffer::new(context, "gradients", parameters)?,
            Buffer::new(context, "the optimiser's first numbers", parameters)?,
            Buffer::new(context, "the optimiser's second numbers", parameters)?,
            Buffer::new(context, "constants", constants.len())?,
            Buffer::new(context, "indices", 0)?,
            Buffer::of_chunk(context)?,
        ];
        let bindings = bind(context, &all);
        let buffers = Self { all, bindings };
        context.write(buffers.at(Place::Constants), 0, constants);
        Ok(buffers)
    }

    pub(crate) fn at(&self, place: Place) -> &wgpu::Buffer {
        &self.all[place as usize].buffer
    }

    /// Returns the bindings of all buffers.
    pub(crate) fn bindings(&self) -> &wgpu::BindGroup {
        &self.bindings
    }

    /// Makes the arena, the indices and the gradients at least this long. The gradients keep their
    /// numbers.
    pub(crate) fn fit(&mut self, context: &Context, lengths: Lengths) -> Result<(), GpuError> {
        let arena = self.lengthen(context, Place::Arena, lengths.arena, "values")?;
        let indices = self.lengthen(context, Place::Indices, lengths.indices, "indices")?;
        let gradients = self.lengthen(context, Place::Gradients, lengths.gradients, "gradients")?;
        if let Some(old) = &gradients {
            let mut encoder = context.encoder();
            let (longer, bytes) = (self.at(Place::Gradients), 4 * old.numbers as u64);
            encoder.copy_buffer_to_buffer(&old.buffer, 0, longer, 0, bytes);
            context.submit(encoder);
        }
        if [arena, indices, gradients].iter().any(Option::is_some) {
            self.bindings = bind(context, &self.all);
        }
        Ok(())
    }

    /// Replaces a buffer that is shorter than `numbers`, and returns the old one.
    fn lengthen(
        &mut self,
        context: &Context,
        place: Place,
        numbers: usize,
        what: &str,
    ) -> Result<Option<Buffer>, GpuError> {
        let buffer = &mut self.all[place as usize];
        if buffer.numbers >= numbers {
            return Ok(None);
        }
        let longer = Buffer::new(context, what, numbers)?;
        Ok(Some(std::mem::replace(buffer, longer)))
    }

    /// Sets what changes from chunk to chunk, for what is submitted next.
    pub(crate) fn set_chunk(&self, context: &Context, chunk: ChunkArgs) {
        context.write(self.at(Place::Chunk), 0, &chunk.words());
    }
}

fn bind(context: &Context, buffers: &[Buffer; 8]) -> wgpu::BindGroup {
    let entries = buffers.iter().zip(0u32..);
    let entries = entries.map(|(buffer, binding)| wgpu::BindGroupEntry {
        binding,
        resource: buffer.buffer.as_entire_binding(),
    });
    let entries: Vec<_> = entries.collect();
    context
        .device
        .create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &context.buffers_layout,
            entries: &entries,
        })
}
