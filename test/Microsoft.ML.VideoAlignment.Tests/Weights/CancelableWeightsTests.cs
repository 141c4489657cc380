using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Wrappers of a source of weights: cancellation, and the prefixes of names.</summary>
public class CancelableWeightsTests
{
    [Test]
    public void ReadingEndsAtTheNextPieceAfterCancellation()
    {
        using var stop = new CancellationTokenSource();
        using IWeightSource source = CancelableWeights.Watch(new MemoryWeights(("a", ones(4)), ("b", ones(4))), stop.Token);
        int pieces = 0;
        source.ReadInPieces("a", 1, _ => pieces++);
        stop.Cancel();
        Assert.That(() => source.ReadInPieces("b", 1, _ => pieces++), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(() => source.Read("b"), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(pieces, Is.EqualTo(1));
    }

    [Test]
    public void ALoadedModelDoesNotRememberTheTokenItWasLoadedWith()
    {
        using var stop = new CancellationTokenSource();
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(TinyModel.Folder, cancellationToken: stop.Token);
        stop.Cancel();
        Assert.That(() => model.Hash, Throws.Nothing);
    }

    [Test]
    public async Task AnAsynchronousLoadGivesTheSameModel()
    {
        using VideoDiffusionModel model = await VideoDiffusionModel.FromPretrainedAsync(TinyModel.Folder);
        using VideoDiffusionModel same = TinyModel.Load();
        Assert.That(model.Hash, Is.EqualTo(same.Hash));
        Assert.That(async () => await VideoDiffusionModel.FromPretrainedAsync("no/such/folder"), Throws.InstanceOf<DirectoryNotFoundException>());
    }

    [TestCase("_orig_mod.")]
    [TestCase("module.")]
    [TestCase("module._orig_mod.")]
    public void NamesOfTrainingWrappersAreTakenOff(string wrapper)
    {
        using IWeightSource source = UnwrappedWeights.Unwrap(new MemoryWeights(($"{wrapper}a.weight", ones(4)), ($"{wrapper}b", ones(2))));
        Assert.That(source.Entries.Keys, Is.EquivalentTo(new[] { "a.weight", "b" }));
        using Tensor read = source.Read("b");
        Assert.That(read.numel(), Is.EqualTo(2));
    }

    [Test]
    public void ANameThatOnlySomeHaveStays()
    {
        using IWeightSource source = UnwrappedWeights.Unwrap(new MemoryWeights(("module.a", ones(4)), ("b", ones(2))));
        Assert.That(source.Entries.Keys, Is.EquivalentTo(new[] { "module.a", "b" }));
    }
}
