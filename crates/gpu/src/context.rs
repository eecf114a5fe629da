//! An open device, its compiled kernels, and the reason why it has stopped.

use std::{
    collections::BTreeMap,
    fmt, slice,
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use wgpu::{BufferUsages, ErrorFilter};

use crate::{
    AdapterDescription, GpuError,
    adapter::{OpenAdapter, open, ready},
    kernel::Kernel,
    matrix_units::MatrixUnits,
};

/// The distance of the arguments of two dispatches, in bytes: the alignment that every adapter
/// accepts.
pub(crate) const ARGS_PITCH: u64 = 256;
/// The bytes that the device is asked for at a time, when its free memory is found out.
const PROBED: u64 = 64 << 20;
/// The buffers that kernels can write, which come first in their layout.
pub(crate) const WRITTEN_BUFFERS: u32 = 6;
/// The buffers that kernels only read: the constants and the indices.
pub(crate) const READ_BUFFERS: u32 = 2;

/// A change of a kernel's text, with which a test breaks it.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    pub(crate) kernel: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

/// An open device.
pub(crate) struct Context {
    pub(crate) description: AdapterDescription,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    longest_buffer: u64,
    pub(crate) matrix_units: MatrixUnits,
    pub(crate) buffers_layout: wgpu::BindGroupLayout,
    pub(crate) args_layout: wgpu::BindGroupLayout,
    pipeline_layout: wgpu::PipelineLayout,
    pipelines: Mutex<BTreeMap<Kernel, wgpu::ComputePipeline>>,
    patch: Option<Patch>,
    failure: Failure,
}

/// The first reason why the device has stopped, if it has.
type Failure = Arc<Mutex<Option<String>>>;

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Opens the adapter with this number, or the first.
    pub(crate) fn open(number: Option<usize>, patch: Option<Patch>) -> Result<Self, GpuError> {
        let OpenAdapter {
            description,
            device,
            queue,
            longest_buffer,
            matrix_units,
        } = open(number)?;
        let failure = Failure::default();
        let errors = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            note(&errors, &e.to_string());
        }));
        let losses = Arc::clone(&failure);
        device.set_device_lost_callback(move |_, reason| note(&losses, &reason));
        let buffers_layout = buffers_layout(&device);
        let args_layout = args_layout(&device);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&buffers_layout), Some(&args_layout)],
            immediate_size: 0,
        });
        Ok(Self {
            description,
            device,
            queue,
            longest_buffer,
            matrix_units,
            buffers_layout,
            args_layout,
            pipeline_layout,
            pipelines: Mutex::default(),
            patch,
            failure,
        })
    }

    /// Returns the most numbers of four bytes that a buffer can hold.
    pub(crate) fn most_numbers(&self) -> usize {
        let numbers = (self.longest_buffer / 4).min(u64::from(u32::MAX));
        usize::try_from(numbers).unwrap_or(usize::MAX)
    }

    /// Returns the reason why the device has stopped, if it has.
    pub(crate) fn failure(&self) -> Option<GpuError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().map(|reason| self.lost(reason))
    }

    /// Records that the device cannot continue.
    pub(crate) fn fail(&self, error: &GpuError) {
        if let GpuError::Lost { reason, .. } = error {
            note(&self.failure, reason);
        } else {
            note(&self.failure, &error.to_string());
        }
    }

    fn lost(&self, reason: String) -> GpuError {
        GpuError::Lost {
            adapter: self.description.name.clone(),
            reason,
        }
    }

    /// Destroys the device, as a driver's reset does.
    pub(crate) fn lose(&self) {
        self.device.destroy();
    }

    /// Makes a buffer of `numbers` numbers of four bytes, which are zero.
    pub(crate) fn buffer(
        &self,
        what: &str,
        numbers: usize,
        usage: BufferUsages,
    ) -> Result<wgpu::Buffer, GpuError> {
        // A binding cannot be empty.
        let size = 4 * numbers.max(64) as u64;
        if numbers > self.most_numbers() {
            return Err(GpuError::Limit {
                what: format!("the buffer of {what}"),
                needed: format!("{} MiB", size >> 20),
                granted: format!("{} MiB", self.longest_buffer >> 20),
                remedy: "use a smaller model or context, or the CPU",
            });
        }
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let other = self.device.push_error_scope(ErrorFilter::Validation);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size,
            usage,
            mapped_at_creation: false,
        });
        let (other, memory) = (ready(other.pop()), ready(memory.pop()));
        if memory.is_some() {
            return Err(GpuError::Memory {
                bytes: size,
                adapter: self.description.name.clone(),
            });
        }
        match other {
            Some(error) => Err(self.lost(error.to_string())),
            None => Ok(buffer),
        }
    }

    /// Returns how many of `wanted` bytes the device gives, which it takes back.
    pub(crate) fn free_memory(&self, wanted: u64) -> u64 {
        let (mut given, mut held) = (0, Vec::new());
        while given < wanted {
            let bytes = (wanted - given).min(PROBED).min(self.longest_buffer);
            let numbers = usize::try_from(bytes.div_ceil(4)).unwrap_or(usize::MAX);
            let Ok(buffer) = self.buffer("a test of memory", numbers, BufferUsages::STORAGE) else {
                break;
            };
            given += bytes;
            held.push(buffer);
        }
        for buffer in &held {
            buffer.destroy();
        }
        given
    }

    /// Returns a compiled kernel.
    pub(crate) fn pipeline(&self, kernel: Kernel) -> Result<wgpu::ComputePipeline, GpuError> {
        let pipelines = self.pipelines.lock();
        let mut pipelines = pipelines.unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(&kernel) {
            return Ok(pipeline.clone());
        }
        let pipeline = self.compile(kernel)?;
        pipelines.insert(kernel, pipeline.clone());
        Ok(pipeline)
    }

    fn compile(&self, kernel: Kernel) -> Result<wgpu::ComputePipeline, GpuError> {
        let mut source = kernel.source();
        if let Some(patch) = self.patch.as_ref().filter(|p| p.kernel == kernel.name()) {
            source = source.replace(&patch.from, &patch.to);
        }
        let internal = self.device.push_error_scope(ErrorFilter::Internal);
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let module = self
            .device
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(kernel.name()),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
        let pipeline = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(kernel.name()),
                layout: Some(&self.pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                // No kernel reads shared memory that it has not written.
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..wgpu::PipelineCompilationOptions::default()
                },
                cache: None,
            });
        let (validation, internal) = (ready(validation.pop()), ready(internal.pop()));
        match validation.or(internal) {
            None => Ok(pipeline),
            Some(error) => Err(GpuError::Kernel {
                name: kernel.name(),
                adapter: self.description.name.clone(),
                reason: error.to_string(),
            }),
        }
    }

    /// Submits commands, and returns the number of their submission.
    pub(crate) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        self.queue.submit([encoder.finish()])
    }

    /// Returns an encoder of commands.
    pub(crate) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Returns `count` numbers of `buffer` from `first` on, after all that has been submitted.
    pub(crate) fn read(
        &self,
        buffer: &wgpu::Buffer,
        first: usize,
        count: usize,
    ) -> Result<Vec<f32>, GpuError> {
        let staging = self.read_buffer(count)?;
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(buffer, 4 * first as u64, &staging, 0, 4 * count as u64);
        self.submit(encoder);
        self.read_staging(&staging, count)
    }

    /// Makes a buffer that the host can read.
    pub(crate) fn read_buffer(&self, numbers: usize) -> Result<wgpu::Buffer, GpuError> {
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        self.buffer("numbers to be read", numbers, usage)
    }

    /// Waits for the device, and returns the numbers of a buffer that the host can read.
    pub(crate) fn read_staging(
        &self,
        staging: &wgpu::Buffer,
        count: usize,
    ) -> Result<Vec<f32>, GpuError> {
        let mapping = Mapping::begin(staging, None);
        self.wait(staging, mapping, count)
    }

    /// Waits until a buffer is mapped, and returns its first numbers.
    pub(crate) fn wait(
        &self,
        staging: &wgpu::Buffer,
        mapping: Mapping,
        count: usize,
    ) -> Result<Vec<f32>, GpuError> {
        let Mapping { mapped, submission } = mapping;
        let waited = self.device.poll(wgpu::PollType::Wait {
            submission_index: submission,
            timeout: None,
        });
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        waited.map_err(|e| self.lost(e.to_string()))?;
        let mapped = mapped.try_recv();
        let unmapped = || self.lost("it returns no numbers".to_owned());
        mapped.map_err(|_| unmapped())?.map_err(|_| unmapped())?;
        let view = staging
            .get_mapped_range(..)
            .map_err(|e| self.lost(e.to_string()))?;
        // The view need not be aligned as numbers are.
        let mut numbers = vec![0.0f32; count];
        bytemuck::cast_slice_mut(&mut numbers).copy_from_slice(&view[..4 * count]);
        drop(view);
        staging.unmap();
        Ok(numbers)
    }

    /// Writes numbers to `buffer` from `first` on, before what is submitted next.
    pub(crate) fn write<T: bytemuck::NoUninit>(
        &self,
        buffer: &wgpu::Buffer,
        first: usize,
        numbers: &[T],
    ) {
        if !numbers.is_empty() {
            let bytes = bytemuck::cast_slice(numbers);
            self.queue.write_buffer(buffer, 4 * first as u64, bytes);
        }
    }
}

/// A buffer that is being mapped, and the submission to wait for.
#[derive(Debug)]
pub(crate) struct Mapping {
    mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
    submission: Option<wgpu::SubmissionIndex>,
}

impl Mapping {
    /// Begins to map a buffer that the host can read. It will be mapped after `submission`, the
    /// last that writes it, or after all of them.
    pub(crate) fn begin(staging: &wgpu::Buffer, submission: Option<wgpu::SubmissionIndex>) -> Self {
        let (sender, mapped) = mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody waits for the result if the device is lost meanwhile.
            let _ = sender.send(result);
        });
        Self { mapped, submission }
    }
}

fn note(failure: &Failure, reason: &str) {
    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
    failure.get_or_insert_with(|| reason.to_owned());
}

fn buffers_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let storage = |binding: u32| wgpu::BufferBindingType::Storage {
        read_only: binding >= WRITTEN_BUFFERS,
    };
    let last = WRITTEN_BUFFERS + READ_BUFFERS;
    let storages = (0..last).map(|binding| entry(binding, storage(binding), false));
    let chunk = entry(last, wgpu::BufferBindingType::Uniform, false);
    let entries: Vec<_> = storages.chain([chunk]).collect();
    layout(device, &entries)
}

fn args_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let args = entry(0, wgpu::BufferBindingType::Uniform, true);
    layout(device, slice::from_ref(&args))
}

fn layout(device: &wgpu::Device, entries: &[wgpu::BindGroupLayoutEntry]) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries,
    })
}

fn entry(
    binding: u32,
    ty: wgpu::BufferBindingType,
    has_dynamic_offset: bool,
) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset,
            min_binding_size: None,
        },
        count: None,
    }
}
