using System.Runtime.InteropServices;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The CUDA runtime's C interface, answered by functions of the test.</summary>
public class CudaRuntimeTests
{
    [Test]
    public void MemoryAndCapabilityAreReadOfTheDevice()
    {
        var library = new FakeLibrary();
        var device = new CudaDevice(CudaRuntime.FromExports(library.Find), index: 0);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(device.ComputeCapability, Is.EqualTo(new Version(8, 6)));
            Assert.That(device.ReadMemory(), Is.EqualTo(new DeviceMemory(3_000_000_000_000, 4_000_000_000_000)));
            Assert.That(device.ReadMemory()!.Value.UsedBytes, Is.EqualTo(1_000_000_000_000));
            Assert.That(library.ErrorsTaken, Is.Zero);
        }
    }

    /// <summary>A device that a thread is set to is given a context, which takes memory: the caller's thread is left where it is.</summary>
    [Test]
    public void AnotherDeviceIsAskedOnAnotherThread()
    {
        var library = new FakeLibrary();
        CudaRuntime runtime = CudaRuntime.FromExports(library.Find)!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(runtime.ReadMemory(2), Is.EqualTo(new DeviceMemory(3_000_000_000_002, 4_000_000_000_000)));
            Assert.That(library.SetTo, Is.EqualTo(new[] { 2 }));
            Assert.That(library.SettingThreads, Does.Not.Contain(Environment.CurrentManagedThreadId));
            Assert.That(runtime.ReadMemory(0), Is.EqualTo(new DeviceMemory(3_000_000_000_000, 4_000_000_000_000)));
        }

        GC.KeepAlive(library);
    }

    [TestCase("cudaGetDevice")]
    [TestCase("cudaSetDevice")]
    [TestCase("cudaMemGetInfo")]
    [TestCase("cudaDeviceGetAttribute")]
    public void AnErrorIsUnknownAndTakenAway(string failing)
    {
        var library = new FakeLibrary { Failing = failing };
        var device = new CudaDevice(CudaRuntime.FromExports(library.Find), index: 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(device.ReadMemory() is null, Is.EqualTo(failing != "cudaDeviceGetAttribute"));
            Assert.That(device.ComputeCapability is null, Is.EqualTo(failing == "cudaDeviceGetAttribute"));
            Assert.That(library.ErrorsTaken, Is.EqualTo(1), "else libtorch takes it for one of its own");
        }
    }

    [Test]
    public void ALibraryWithoutAFunctionIsNotTheRuntime(
        [Values("cudaGetDevice", "cudaSetDevice", "cudaMemGetInfo", "cudaDeviceGetAttribute", "cudaGetLastError")] string missing)
    {
        var library = new FakeLibrary();
        Assert.That(CudaRuntime.FromExports(name => name == missing ? 0 : library.Find(name)), Is.Null);
    }

    [TestCase("/opt/torch/lib/libcudart-9335f6a2.so.12", true)]
    [TestCase("libcudart.so.13", true)]
    [TestCase("cudart64_12.dll", true)]
    [TestCase("CUDART64_110.DLL", true)]
    [TestCase("libcublas.so.12", false)]
    [TestCase("libcudart_static.a", false)]
    [TestCase("cudart64_12.pdb", false)]
    public void TheLibraryIsKnownByItsName(string file, bool expected) => Assert.That(CudaRuntime.IsRuntime(file), Is.EqualTo(expected));

    [Test]
    public void WhatCannotBeLoadedIsPassedOver()
    {
        using var folder = new TemporaryFolder();
        string broken = folder.Path("libcudart-1a2b.so.12");
        File.WriteAllText(broken, "not a library");
        File.WriteAllText(folder.Path("libcublas.so.12"), "another library");
        string[] found = [.. CudaRuntime.FilesOf([folder.Path("nowhere"), Path.GetDirectoryName(broken)!])];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found, Is.EqualTo(new[] { broken }));
            Assert.That(CudaRuntime.Load([.. found, "libcudart-that-is-not-there.so.12"]), Is.Null);
        }
    }

    /// <summary>The functions as a library exports them, of a machine with several devices of 4 TB each, whose free memory differs.</summary>
    private sealed class FakeLibrary
    {
        private const int Refused = 100;

        private readonly Dictionary<string, Delegate> _exports;
        private readonly AsyncLocal<int> _device = new();

        public FakeLibrary() => _exports = new(StringComparer.Ordinal)
        {
            ["cudaGetDevice"] = (ReadNumber)GetDevice,
            ["cudaSetDevice"] = (TakeNumber)SetDevice,
            ["cudaMemGetInfo"] = (ReadSizes)GetMemory,
            ["cudaDeviceGetAttribute"] = (ReadAttribute)GetAttribute,
            ["cudaGetLastError"] = (Function)(() => ++ErrorsTaken),
        };

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int Function();

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int ReadNumber(out int value);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int TakeNumber(int value);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int ReadSizes(out nuint free, out nuint total);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int ReadAttribute(out int value, int attribute, int device);

        /// <summary>The function that refuses; null: none.</summary>
        public string? Failing { get; init; }

        public int ErrorsTaken { get; private set; }

        public List<int> SetTo { get; } = [];

        public List<int> SettingThreads { get; } = [];

        public nint Find(string name) => _exports.TryGetValue(name, out Delegate? function) ? Marshal.GetFunctionPointerForDelegate(function) : 0;

        private int Answer(string name) => name == Failing ? Refused : 0;

        private int GetDevice(out int value)
        {
            value = _device.Value;
            return Answer("cudaGetDevice");
        }

        private int SetDevice(int value)
        {
            _device.Value = value;
            SetTo.Add(value);
            SettingThreads.Add(Environment.CurrentManagedThreadId);
            return Answer("cudaSetDevice");
        }

        private int GetMemory(out nuint free, out nuint total)
        {
            (free, total) = ((nuint)(3_000_000_000_000 + _device.Value), unchecked((nuint)4_000_000_000_000));
            return Answer("cudaMemGetInfo");
        }

        private int GetAttribute(out int value, int attribute, int device)
        {
            value = attribute switch { 75 => 8, 76 => 6, _ => -1 };
            return Answer("cudaDeviceGetAttribute");
        }
    }
}
