using System.Text.Json;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The schedulers of <see cref="SchedulerFactory"/>, by the noise schedule that they sample from.</summary>
public class SamplerKinds
{
    /// <summary>Those on a table of betas.</summary>
    internal static IReadOnlyList<string> OfBetas { get; } = ["DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler"];

    /// <summary>Keys that make a multistep solver one of flows.</summary>
    internal const string Flow = """ "prediction_type": "flow_prediction", "use_flow_sigmas": true """;

    /// <summary>Those on the straight path, with entries for their file.</summary>
    internal static IReadOnlyList<(string Name, string Entries)> OfFlows { get; } =
    [
        ("DPMSolverMultistepScheduler", $"{Flow}, \"flow_shift\": 5"),
        ("DPMSolverMultistepScheduler", $"{Flow}, \"solver_order\": 3"),
        ("FlowMatchEulerDiscreteScheduler", "\"shift\": 3"),
        ("FlowMatchEulerDiscreteScheduler", "\"shift_terminal\": 0.02"),
        ("UniPCMultistepScheduler", $"{Flow}, \"flow_shift\": 3, \"solver_order\": 1"),
        ("UniPCMultistepScheduler", $"{Flow}, \"flow_shift\": 5"),
        ("UniPCMultistepScheduler", $"{Flow}, \"flow_shift\": 5, \"solver_order\": 3"),
        ("UniPCMultistepScheduler", $"{Flow}, \"solver_type\": \"bh1\", \"disable_corrector\": [0, 3, 4]"),
        ("UniPCMultistepScheduler", $"{Flow}, \"solver_order\": 3, \"final_sigmas_type\": \"sigma_min\", \"lower_order_final\": false"),
    ];

    internal static IScheduler Create((string Name, string Entries) kind) => SchedulerFactory.FromConfig(DdimTests.Json(kind.Entries), kind.Name);

    [Test]
    public void EverySchedulerIsTestedOnOneOfThem() =>
        Assert.That(OfBetas.Concat(OfFlows.Select(kind => kind.Name)).Distinct(), Is.EquivalentTo(SchedulerFactory.Names));

    /// <summary>A scheduler made from another family's file would sample noise: the file's own words decide.</summary>
    [TestCase("UniPCMultistepScheduler")]
    [TestCase("FlowMatchEulerDiscreteScheduler")]
    public void AFlowIsNotSampledFromAFileOfBetasNorTheOtherWay(string name)
    {
        JsonElement betas = DdimTests.Json($"""{DdimTests.ScaledLinear}, "_class_name": "DDIMScheduler" """);
        Assert.That(() => SchedulerFactory.FromConfig(betas, name),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("prediction_type").And.Message.Contains(name));
        foreach (string other in OfBetas)
        {
            Assert.That(() => SchedulerFactory.FromConfig(DdimTests.Json(""" "prediction_type": "flow_prediction" """), other),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("prediction_type").And.Message.Contains("flow_prediction"), other);
        }
    }

    /// <summary>Published files of Wan name the shift as UniPC does; flow Euler made from them keeps it.</summary>
    [Test]
    public void AFileOfOneFlowServesTheOthers()
    {
        JsonElement file = DdimTests.Json($"""{Flow}, "flow_shift": 3, "_class_name": "UniPCMultistepScheduler" """);
        var euler = (FlowMatchEulerDiscreteScheduler.Sampler)FlowMatchEulerDiscreteScheduler.FromConfig(file).CreateSampler([1, 0.5, 0]);
        Assert.That(euler.Sigmas, Is.EqualTo(new[] { 1, 0.75, 0 }));
    }
}
