using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class FiniteLatentsTests
{
    /// <summary>The second row goes wrong in the second of three steps, in the sampler or in the network.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void TheFirstStepThatWentWrongIsNamedWithItsRow(bool sampler)
    {
        using DisposeScope scope = NewDisposeScope();
        var steps = new Halving(sampler ? 1 : null);
        NotFiniteNumberException? error = Assert.Throws<NotFiniteNumberException>(() => Denoising.Run(
            steps, ones([2L, 1, 1, 1, 1]), (x, t) => sampler || t != 1 ? x : Spoilt(x), GradientPlan.None(3), prompts: ["a red circle", "a horse"]));
        Assert.That(error!.Message, Does.Contain("step 2 of 3").And.Contains("row 1").And.Contains("'a horse'").And.Contains(sampler ? "sampler"
            : "prediction"));
    }

    /// <summary>Only where the part that went wrong computes in float16 is another type the advice.</summary>
    [TestCase(ComputePrecision.Float16, true)]
    [TestCase(ComputePrecision.BFloat16, false)]
    [TestCase(ComputePrecision.Float32, false)]
    public void InFloat16AnotherTypeIsAdvised(ComputePrecision precision, bool advised)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable run = RunContext.Begin(DeviceType.CPU, RunPrecision.Float32 with { Denoiser = precision, Decoder = precision });
        Exception[] errors =
        [
            Assert.Catch(() => Denoising.Run(new Halving(null), ones([2L, 1, 1, 1, 1]), (x, _) => Spoilt(x), GradientPlan.None(3)))!,
            Assert.Catch(() => FiniteVideo.RequireDecoded(Spoilt(ones([2L, 1, 1, 1, 1])), [0], []))!,
        ];
        Assert.That(errors.Select(error => error.Message.Contains("set ComputePrecision.BFloat16")), Is.All.EqualTo(advised));
        Assert.That(errors[0].Message.Contains(" Memory.Precision: Float16"), Is.EqualTo(advised));
        Assert.That(errors[1].Message.Contains(" Memory.DecoderPrecision: Float16"), Is.EqualTo(advised));
    }

    [Test]
    public void AFiniteRunIsLeftAlone()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor y = Denoising.Run(new Halving(null), ones([2L, 1, 1, 1, 1]), (x, _) => x.alias(), GradientPlan.None(3));
        Assert.That(y.data<float>().ToArray(), Is.All.EqualTo(0.125f));
    }

    /// <summary>Rows but the last stay as they are.</summary>
    private static Tensor Spoilt(Tensor x) => x * tensor([1f, float.NaN]).view(2, 1, 1, 1, 1);

    private sealed class Halving(int? breaks) : ISampler
    {
        public IReadOnlyList<double> Timesteps => [2, 1, 0];

        public double InitialNoiseSigma => 1;

        public int HistoryLength => 0;

        public bool NeedsNoise(int step) => false;

        public double Sensitivity(int step) => 1;

        public Tensor ScaleInput(Tensor sample, int step) => sample.alias();

        public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise) =>
            new(step == breaks ? Spoilt(prediction) : prediction / 2, prediction.alias());
    }
}
