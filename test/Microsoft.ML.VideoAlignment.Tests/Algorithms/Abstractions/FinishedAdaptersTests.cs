using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class FinishedAdaptersTests
{
    /// <summary>As when memory runs out between two of the optimizer's tensors.</summary>
    [Test]
    public void AnUpdateThatStopsHalfWayTakesNothingAway([Values] bool averaged, [Values] bool onDevice)
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        using LoraAdapters adapters = LoraAdapters.Attach(network, LoraTargets.AllLayers, 2, 4, new Generator(3));
        using EmaAdapters? average = averaged ? new EmaAdapters(adapters, 0.5) : null;
        using var finished = new FinishedAdapters(adapters, average, best: null, onDevice);
        Update(1);
        byte[] first = Returned();
        finished.BeforeUpdate();
        Move(factors: 1);
        average?.Averages[0].add_(1);
        RescuedAdapters rescued = finished.Rescue();
        Assert.That((rescued.Step, rescued.Content), Is.EqualTo((1, first)), "of the step before");
        Update(2);
        byte[] second = Returned();
        rescued = finished.Rescue();
        Assert.That((rescued.Step, rescued.Content), Is.EqualTo((2, second)), "of the step itself");
        Assert.That(second, Is.Not.EqualTo(first));

        void Update(int step)
        {
            finished.BeforeUpdate();
            Move(adapters.Parameters.Count);
            average?.Update();
            finished.MarkFinished(step);
        }

        byte[] Returned()
        {
            if (average is null)
            {
                return AdapterFile.Write(adapters);
            }

            average.InPlace = true;
            byte[] content = AdapterFile.Write(adapters);
            Assert.That(finished.Rescue().Content, Is.EqualTo(content), "wherever the average stands");
            average.InPlace = false;
            return content;
        }

        void Move(int factors)
        {
            using IDisposable guard = no_grad();
            foreach (TorchSharp.Modules.Parameter factor in adapters.Parameters.Take(factors))
            {
                factor.add_(1);
            }
        }
    }

    /// <summary>Nothing can be asked of a device that no longer answers; here the factors are gone altogether.</summary>
    [Test]
    public void WhatIsOnADeviceIsCopiedAfterEachStep()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        using LoraAdapters adapters = LoraAdapters.Attach(network, LoraTargets.AllLayers, 2, 4, new Generator(3));
        using var finished = new FinishedAdapters(adapters, average: null, best: null, onDevice: true);
        finished.MarkFinished(4);
        byte[] content = AdapterFile.Write(adapters);
        foreach (TorchSharp.Modules.Parameter factor in adapters.Parameters)
        {
            factor.Dispose();
        }

        Assert.That(finished.Rescue().Content, Is.EqualTo(content));
    }

    [Test]
    public void TheAverageChangesPlacesOnceHoweverOftenItIsAsked()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        using LoraAdapters adapters = LoraAdapters.Attach(network, LoraTargets.AllLayers, 2, 4, new Generator(3));
        using var average = new EmaAdapters(adapters, 0.5);
        average.Averages[0].fill_(7);
        byte[] factors = AdapterFile.Write(adapters);
        average.InPlace = true;
        byte[] mean = AdapterFile.Write(adapters);
        average.InPlace = true;
        Assert.That(AdapterFile.Write(adapters), Is.EqualTo(mean).And.Not.EqualTo(factors));
        average.InPlace = false;
        average.InPlace = false;
        Assert.That(AdapterFile.Write(adapters), Is.EqualTo(factors));
    }

    [Test]
    public void ANetworkThatCannotBeBroughtBackDoesNotKeepTheOthersAway()
    {
        var back = new List<string>();
        string? stuck = "first";
        var idle = new CpuOffloader([("first", [RunStage.Decoding]), ("second", [RunStage.Scoring])], (name, works) =>
        {
            if (works && name == stuck)
            {
                throw new TimeoutException();
            }

            if (works)
            {
                back.Add(name);
            }
        });
        idle.Enter(RunStage.Sampling);
        Assert.That(idle.RestoreAll, Throws.TypeOf<AggregateException>().With.InnerException.TypeOf<TimeoutException>());
        Assert.That(back, Is.EqualTo(new[] { "second" }));
        stuck = null;
        idle.RestoreAll();
        Assert.That(back, Is.EqualTo(new[] { "second", "first" }), "it is asked again");
    }
}
