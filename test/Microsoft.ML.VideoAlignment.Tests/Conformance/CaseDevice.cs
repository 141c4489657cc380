using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Where the cases run: on the CPU, or on the device that the environment's CONFORMANCE_DEVICE names, such as "cuda" or "cuda:1".</summary>
internal static class CaseDevice
{
    /// <summary>The name of the variable.</summary>
    public const string Variable = "CONFORMANCE_DEVICE";

    /// <summary>Another device sums in another order: what a case asks for beyond this share of the largest number is asked of the CPU alone.</summary>
    private const double LeastTolerance = 1e-3;

    /// <summary>The device of inputs and networks.</summary>
    public static Device Device { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } name ? device(name) : CPU;

    /// <summary>float32 on <see cref="Device"/>.</summary>
    public static Placement Placement => Device.type == DeviceType.CPU ? Placement.Cpu : Placement.Cpu with { Device = Device };

    /// <summary>Widens a case's tolerance where another machine than the CPU computes.</summary>
    /// <param name="written">The tolerance of the case.</param>
    public static double Tolerance(double written) => Device.type == DeviceType.CPU ? written : Math.Max(written, LeastTolerance);
}
