//! The adapters of this machine, and opening one.

use std::{
    future::Future,
    hint,
    pin::pin,
    task::{self, Poll, Waker},
};

use crate::{GpuError, matrix_units::MatrixUnits};

/// A GPU, or a program that acts as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterDescription {
    /// The name that the driver gives.
    pub name: String,
    /// The interface: `vulkan`, `metal` or `dx12`.
    pub interface: String,
    /// True if the adapter is a program that runs on the processor.
    pub is_software: bool,
    /// The driver and its version, as it describes itself.
    pub driver: String,
}

impl AdapterDescription {
    fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        Self {
            name: info.name,
            interface: info.backend.to_string(),
            is_software: info.device_type == wgpu::DeviceType::Cpu,
            driver: format!("{} {}", info.driver, info.driver_info),
        }
    }
}

/// Returns the adapters of this machine, in the order of their numbers: GPUs with memory of their
/// own come first, programs that act as a GPU last.
pub fn adapters() -> Vec<AdapterDescription> {
    found().iter().map(AdapterDescription::of).collect()
}

/// Waits for a future of wgpu, which is complete at once outside of browsers.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = task::Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        hint::spin_loop();
    }
}

fn found() -> Vec<wgpu::Adapter> {
    let mut options = wgpu::InstanceDescriptor::new_without_display_handle();
    options.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let backends = options.backends;
    let instance = wgpu::Instance::new(options);
    let mut adapters = ready(instance.enumerate_adapters(backends));
    adapters.sort_by_key(|adapter| rank(&adapter.get_info()));
    adapters
}

fn rank(info: &wgpu::AdapterInfo) -> u8 {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// A device, its queue, and what it grants.
pub(crate) struct OpenAdapter {
    pub(crate) description: AdapterDescription,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    /// The longest buffer that a kernel can read or write, in bytes.
    pub(crate) longest_buffer: u64,
    /// The matrix units that the device was opened with.
    pub(crate) matrix_units: MatrixUnits,
}

/// Opens the adapter with this number, or the first.
pub(crate) fn open(number: Option<usize>) -> Result<OpenAdapter, GpuError> {
    let adapters = found();
    if adapters.is_empty() {
        return Err(GpuError::NoAdapter);
    }
    let number = number.unwrap_or(0);
    let Some(adapter) = adapters.get(number) else {
        let names = adapters.iter().map(|adapter| adapter.get_info().name);
        return Err(GpuError::NoSuchAdapter(number, names.collect()));
    };
    let description = AdapterDescription::of(adapter);
    let granted = adapter.limits();
    let longest_buffer = granted
        .max_storage_buffer_binding_size
        .min(granted.max_buffer_size);
    let matrix_units = MatrixUnits::of(adapter);
    let options = wgpu::DeviceDescriptor {
        label: Some("gptlab"),
        required_limits: wgpu::Limits {
            max_storage_buffer_binding_size: granted.max_storage_buffer_binding_size,
            max_buffer_size: granted.max_buffer_size,
            ..wgpu::Limits::default()
        },
        required_features: matrix_units.features(),
        experimental_features: matrix_units.experimental_features(),
        ..wgpu::DeviceDescriptor::default()
    };
    let opened = ready(adapter.request_device(&options));
    let (device, queue) = opened.map_err(|e| GpuError::Refused {
        adapter: description.name.clone(),
        reason: e.to_string(),
    })?;
    Ok(OpenAdapter {
        description,
        device,
        queue,
        longest_buffer,
        matrix_units,
    })
}
