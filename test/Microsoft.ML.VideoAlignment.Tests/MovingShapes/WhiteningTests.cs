using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Stages;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Folding the change of channels into the autoencoder must change the latents as stated and no picture.</summary>
public sealed class WhiteningTests
{
    [Test]
    public void FoldedAutoencoderHasWhitenedLatentsAndTheSamePictures()
    {
        const double Factor = 1.7;
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using var plain = new AutoencoderKL(VaeStage.Config(1), Placement.Cpu);
        using var folded = new AutoencoderKL(VaeStage.Config(1), Placement.Cpu);
        using Generator generator = StepRandom.Tensors(21, 0);
        Initialiser.Fill(plain, generator);
        Parameters.Copy(folded, plain);

        Tensor pictures = (rand([6, 3, 32, 32], generator: generator) * 2) - 1;
        Tensor raw = plain.Encode(pictures).Mean;
        Tensor latents = (raw * Factor).view(2, 3, 4, 8, 8).permute(0, 2, 1, 3, 4).contiguous();
        var whitening = new Whitening(latents);
        whitening.FoldInto(folded, Factor);

        Tensor white = folded.Encode(pictures).Mean;
        Tensor expected = whitening.Apply(latents).permute(0, 2, 1, 3, 4).flatten(0, 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((white - expected).abs().max().item<float>(), Is.LessThan(1e-4));
            Assert.That((folded.Decode(white) - plain.Decode(raw)).abs().max().item<float>(), Is.LessThan(1e-4));
            Tensor covariance = white.permute(1, 0, 2, 3).flatten(1).cov();
            Assert.That((covariance - covariance.diag().diag()).abs().max().item<float>(), Is.LessThan(1e-2), "channels are uncorrelated");
        }
    }
}
