using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A batch whose videos are at different times is those videos one by one.</summary>
internal static class OwnTimes
{
    public static void Check(VideoDiffusionModel model, SamplingSettings sampling)
    {
        double[] times = [900, 20];
        Condition condition = model.Encode(sampling.Request(["a red circle", "a blue square"], _ => throw new InvalidOperationException("nothing is drawn")));
        Tensor latents = Ramp.Values(1, model.LatentShape(2, sampling.Size));
        Tensor together = model.PredictEach(latents, times, condition);
        for (int row = 0; row < 2; row++)
        {
            Tensor alone = model.Predict(latents.narrow(0, row, 1), times[row], condition.Rows(row));
            Tensor swapped = model.Predict(latents.narrow(0, row, 1), times[1 - row], condition.Rows(row));
            double scale = alone.abs().max().ToDouble(), error = (together[row] - alone[0]).abs().max().ToDouble();
            Assert.That(error, Is.LessThan(1e-4 * scale), $"row {row}");
            Assert.That((swapped - alone).abs().max().ToDouble(), Is.GreaterThan(10 * error), "the time is heard");
        }
    }
}
