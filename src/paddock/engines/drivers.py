"""The child program that asks a GPU driver's own library: `drivers.py nvml|vulkan`.

A driver is loaded here and never in the server: it may crash, hang, or keep threads and memory for good.
One JSON object goes to stdout: `gpus`, a list in the driver's own order, or `error`, a sentence. No CUDA
context and no Vulkan device is created. This file is run by path and imports nothing of ours.

Source: the headers `nvml.h` of NVIDIA's management library and `vulkan_core.h` of Khronos's registry, for
function signatures, the layout of their structures and the numbers below.
"""

import contextlib
import ctypes
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from ctypes import byref, c_char, c_int, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any, ClassVar

_NVML = ("nvml.dll",) if sys.platform == "win32" else ("libnvidia-ml.so.1",)
_VULKAN = {"win32": ("vulkan-1.dll",), "darwin": ("libvulkan.1.dylib", "libMoltenVK.dylib")}.get(
    sys.platform, ("libvulkan.so.1",)
)


class DriverError(Exception):
    """The library is missing or refuses; the sentence says which call and its code."""


def main() -> None:
    """Print what the driver named in the arguments reports. The exit status is 0 even without a driver."""
    try:
        report: dict[str, Any] = {"gpus": list({"nvml": nvml, "vulkan": vulkan}[sys.argv[1]]())}
    except DriverError as error:
        report = {"error": str(error)}
    # A layer of Vulkan's may have printed something before: ours is the last line.
    sys.stdout.write("\n" + json.dumps(report) + "\n")


def _library(names: tuple[str, ...]) -> ctypes.CDLL:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            cause = str(error)
    raise DriverError(cause)


def _call(library: ctypes.CDLL, name: str, *arguments: Any) -> None:
    """Call a function that returns 0 when all is well, as both libraries' functions do."""
    try:
        function = getattr(library, name)
    except AttributeError:
        raise DriverError(f"the driver has no {name}") from None
    if code := function(*arguments):
        raise DriverError(f"{name} failed with code {code}")


# ── NVIDIA's management library ───────────────────────────────────────────────────────────────────


class _NvmlMemory(ctypes.Structure):
    _fields_ = (("total", c_uint64), ("free", c_uint64), ("used", c_uint64))


def nvml() -> Iterator[dict[str, Any]]:
    """Every CUDA device, in the order of its place on the bus, as nvidia-smi counts them."""
    library = _library(_NVML)
    _call(library, "nvmlInit_v2")
    driver = _text(library, "nvmlSystemGetDriverVersion")
    count = c_uint32()
    _call(library, "nvmlDeviceGetCount_v2", byref(count))
    for index in range(count.value):
        with contextlib.suppress(DriverError):  # a device that fell off the bus keeps its number
            yield {"index": index, "driver": driver} | _nvml_device(library, index)
    _call(library, "nvmlShutdown")


def _nvml_device(library: ctypes.CDLL, index: int) -> dict[str, Any]:
    handle, major, minor, memory = c_void_p(), c_int(), c_int(), _NvmlMemory()
    _call(library, "nvmlDeviceGetHandleByIndex_v2", c_uint32(index), byref(handle))
    _call(library, "nvmlDeviceGetCudaComputeCapability", handle, byref(major), byref(minor))
    try:
        _call(library, "nvmlDeviceGetMemoryInfo", handle, byref(memory))
    except DriverError:  # a GPU without memory of its own (Jetson, GB10): zero says so
        memory = _NvmlMemory()
    return {
        "name": _text(library, "nvmlDeviceGetName", handle),
        "uuid": _text(library, "nvmlDeviceGetUUID", handle),
        "capability": f"{major.value}.{minor.value}",
        "total": memory.total,
        "free": memory.free,
    }


def _text(library: ctypes.CDLL, name: str, *arguments: Any) -> str:
    buffer = ctypes.create_string_buffer(96)
    _call(library, name, *arguments, buffer, c_uint32(len(buffer)))
    return buffer.value.decode(errors="replace")


# ── Vulkan ────────────────────────────────────────────────────────────────────────────────────────

_VERSION_1_2 = (1 << 22) | (2 << 12)
_DEVICE_LOCAL = 1
_KINDS = {0: "other", 1: "integrated", 2: "discrete", 3: "virtual", 4: "cpu"}
_APPLICATION, _INSTANCE = 0, 1
_PROPERTIES_2, _MEMORY_2, _FEATURES_2 = 1000059001, 1000059006, 1000059000
_ID, _DRIVER, _BUDGET, _STORAGE_16 = 1000071004, 1000196000, 1000237000, 1000083000


class _Chained(ctypes.Structure):
    """How every structure begins that may point to another one."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = (("kind", c_uint32), ("next", c_void_p))


class _Application(_Chained):
    _fields_ = (
        ("name", ctypes.c_char_p), ("version", c_uint32), ("engine", ctypes.c_char_p),
        ("engine_version", c_uint32), ("api", c_uint32),
    )  # fmt: skip


class _Instance(_Chained):
    _fields_ = (
        ("flags", c_uint32), ("application", c_void_p), ("layers", c_uint32), ("layer_names", c_void_p),
        ("extensions", c_uint32), ("extension_names", c_void_p),
    )  # fmt: skip


class _Properties(_Chained):
    # Limits and sparse properties follow: 524 bytes today, and room for more.
    _fields_ = (
        ("api", c_uint32), ("driver_version", c_uint32), ("vendor", c_uint32), ("device", c_uint32),
        ("type", c_uint32), ("name", c_char * 256), ("cache", c_uint8 * 16), ("rest", c_uint64 * 128),
    )  # fmt: skip


class _Identity(_Chained):
    _fields_ = (
        ("uuid", c_uint8 * 16), ("driver_uuid", c_uint8 * 16), ("luid", c_uint8 * 8), ("mask", c_uint32),
        ("luid_valid", c_uint32),
    )  # fmt: skip


class _Driver(_Chained):
    _fields_ = (
        ("id", c_uint32), ("name", c_char * 256), ("info", c_char * 256), ("conformance", c_uint8 * 4),
    )  # fmt: skip


class _Heap(ctypes.Structure):
    _fields_ = (("size", c_uint64), ("flags", c_uint32))


class _Memory(_Chained):
    _fields_ = (
        ("types", c_uint32), ("type", c_uint32 * 64), ("heaps", c_uint32), ("heap", _Heap * 16),
    )  # fmt: skip


class _Budget(_Chained):
    _fields_ = (("budget", c_uint64 * 16), ("usage", c_uint64 * 16))


class _Features(_Chained):
    _fields_ = (("rest", c_uint32 * 64),)


class _Storage16(_Chained):
    _fields_ = (("storage_buffer", c_uint32), ("others", c_uint32 * 3))


class _Extension(ctypes.Structure):
    _fields_ = (("name", c_char * 256), ("version", c_uint32))


def vulkan() -> Iterator[dict[str, Any]]:
    """Every physical device, software ones included, as the loader counts them."""
    library = _library(_VULKAN)
    application = _Application(kind=_APPLICATION, api=_VERSION_1_2)
    creation = _Instance(kind=_INSTANCE, application=ctypes.addressof(application))
    instance = c_void_p()
    _call(library, "vkCreateInstance", byref(creation), None, byref(instance))
    for index, device in enumerate(_listed(library, "vkEnumeratePhysicalDevices", c_void_p, instance)):
        yield {"index": index} | _vulkan_device(library, c_void_p(device))


def _listed(library: ctypes.CDLL, name: str, kind: Any, *arguments: Any) -> Any:
    """What a function lists that first says how many there are."""
    count = c_uint32()
    _call(library, name, *arguments, byref(count), None)
    found = (kind * count.value)()
    if count.value:
        _call(library, name, *arguments, byref(count), found)
    return found


def _vulkan_device(library: ctypes.CDLL, device: c_void_p) -> dict[str, Any]:
    plain = _Properties()
    # The older call writes the same structure without its two leading fields.
    offset = _Properties.api.offset
    library.vkGetPhysicalDeviceProperties(device, byref(plain, offset))
    kind = _KINDS.get(plain.type, "other")
    report = {"name": plain.name.decode(errors="replace"), "type": kind, "api": _version(plain.api)}
    if plain.api < _VERSION_1_2:  # older than what the engine wants, and than the calls below
        return report | {"supported": False, "total": 0, "free": None, "driver": "", "uuid": ""}
    driver, identity, storage = _Driver(kind=_DRIVER), _Identity(kind=_ID), _Storage16(kind=_STORAGE_16)
    driver.next = ctypes.addressof(identity)
    _ask(library.vkGetPhysicalDeviceProperties2, device, _Properties(kind=_PROPERTIES_2), driver)
    _ask(library.vkGetPhysicalDeviceFeatures2, device, _Features(kind=_FEATURES_2), storage)
    total, free = _vulkan_memory(library, device, kind == "integrated")
    return report | {
        "supported": bool(storage.storage_buffer),
        "total": total,
        "free": free,
        "driver": " ".join(part.decode(errors="replace") for part in (driver.name, driver.info) if part),
        "uuid": bytes(identity.uuid).hex(),
    }


def _ask(function: Callable[..., Any], device: c_void_p, wanted: _Chained, more: _Chained) -> None:
    wanted.next = ctypes.addressof(more)
    function(device, byref(wanted))


def _vulkan_memory(library: ctypes.CDLL, device: c_void_p, every_heap: bool) -> tuple[int, int | None]:
    """Bytes of the device's own heaps, and what this process could have of them now."""
    listed = _listed(library, "vkEnumerateDeviceExtensionProperties", _Extension, device, None)
    budgeted = any(extension.name == b"VK_EXT_memory_budget" for extension in listed)
    memory, budget = _Memory(kind=_MEMORY_2), _Budget(kind=_BUDGET)
    memory.next = ctypes.addressof(budget) if budgeted else None
    library.vkGetPhysicalDeviceMemoryProperties2(device, byref(memory))
    own = [n for n in range(memory.heaps) if every_heap or memory.heap[n].flags & _DEVICE_LOCAL]
    total = sum(memory.heap[n].size for n in own)
    free = sum(max(budget.budget[n] - budget.usage[n], 0) for n in own)
    return total, free if budgeted else None


def _version(number: int) -> str:
    return f"{number >> 22 & 0x7F}.{number >> 12 & 0x3FF}.{number & 0xFFF}"


if __name__ == "__main__":
    main()
