//! The buffers of an engine, or of a generator, on its device.

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
    /// The keys and values of the texts that a generator writes.
    Cache,
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
    all: [Buffer; 9],
    bindings: wgpu::BindGroup,
}

/// The lengths that a batch needs, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lengths {
    pub(crate) arena: usize,
    pub(crate) indices: usize,
    pub(crate) gradients: usize,
    pub(crate) cache: usize,
}

impl Buffers {
    /// Makes buffers for `parameters` parameters that are trained, and these constants; the arena
    /// and the indices have no length yet.
    pub(crate) fn new(
        context: &Context,
        parameters: usize,
        constants: &[f32],
    ) -> Result<Self, GpuError> {
        Self::of(context, [parameters; 2], constants)
    }

    /// Makes buffers for `parameters` parameters that are not trained: they have neither gradients
    /// nor an optimiser's numbers.
    pub(crate) fn untrained(
        context: &Context,
        parameters: usize,
        constants: &[f32],
    ) -> Result<Self, GpuError> {
        Self::of(context, [parameters, 0], constants)
    }

    fn of(
        context: &Context,
        [parameters, trained]: [usize; 2],
        constants: &[f32],
    ) -> Result<Self, GpuError> {
        let all = [
            Buffer::new(context, "values", 0)?,
            Buffer::new(context, "weights", parameters)?,
            Buffer::new(context, "gradients", trained)?,
            Buffer::new(context, "the optimiser's first numbers", trained)?,
            Buffer::new(context, "the optimiser's second numbers", trained)?,
            Buffer::new(context, "keys and values", 0)?,
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

    /// Makes the arena, the indices, the gradients and the cache at least this long. The gradients
    /// keep their numbers.
    pub(crate) fn fit(&mut self, context: &Context, lengths: Lengths) -> Result<(), GpuError> {
        let places = [
            (Place::Arena, lengths.arena, "values"),
            (Place::Indices, lengths.indices, "indices"),
            (Place::Cache, lengths.cache, "keys and values"),
            (Place::Gradients, lengths.gradients, "gradients"),
        ];
        let mut changed = false;
        let lengthened = places.into_iter().try_for_each(|(place, numbers, what)| {
            changed |= self.lengthen(context, place, numbers, what)?;
            Ok(())
        });
        // Where one of them fails, those before it are in place.
        if changed {
            self.bindings = bind(context, &self.all);
        }
        lengthened
    }

    /// Replaces a buffer that is shorter than `numbers`; returns whether it was.
    fn lengthen(
        &mut self,
        context: &Context,
        place: Place,
        numbers: usize,
        what: &str,
    ) -> Result<bool, GpuError> {
        let buffer = &mut self.all[place as usize];
        if buffer.numbers >= numbers {
            return Ok(false);
        }
        let longer = Buffer::new(context, what, numbers)?;
        if place == Place::Gradients {
            let mut encoder = context.encoder();
            let bytes = 4 * buffer.numbers as u64;
            encoder.copy_buffer_to_buffer(&buffer.buffer, 0, &longer.buffer, 0, bytes);
            context.submit(encoder);
        }
        *buffer = longer;
        Ok(true)
    }

    /// Sets what changes from chunk to chunk, for what is submitted next.
    pub(crate) fn set_chunk(&self, context: &Context, chunk: ChunkArgs) {
        context.write(self.at(Place::Chunk), 0, &chunk.words());
    }
}

fn bind(context: &Context, buffers: &[Buffer; 9]) -> wgpu::BindGroup {
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
