using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Weights that come one after another: in which order they are copied, how many are there at a time, and that each has its own numbers.</summary>
public class WeightStreamTests
{
    private const int Count = 18;

    private readonly List<Parameter> _parameters = [];
    private readonly List<StreamedWeight> _weights = [];
    private RecordedTransfer _transfer = null!;
    private WeightStream _stream = null!;
    private bool _tellsUses;

    /// <summary>18 weights of 4 numbers: three are there at a time, one of them ahead.</summary>
    [SetUp]
    public void Make()
    {
        (_transfer, _tellsUses) = (new RecordedTransfer(), false);
        _stream = new WeightStream(_transfer);
        for (int i = 0; i < Count; i++)
        {
            _parameters.Add(new Parameter(full([2, 2], i, dtype: ScalarType.Float32), requires_grad: false));
            _weights.Add(_stream.Add(_parameters[i]));
        }
    }

    [TearDown]
    public void Free()
    {
        _stream.Restore();
        _stream.Dispose();
        _parameters.ForEach(static parameter => parameter.Dispose());
        _parameters.Clear();
        _weights.Clear();
    }

    [Test]
    public void EachComesWhenItIsNeededAndTheSecondTimeBefore()
    {
        _stream.Enter(RunStage.Sampling);
        Pass(0, 1, 2, 3);
        Assert.That(_transfer.Told, Is.EqualTo(new[] { "begin 0", "wait 0", "begin 1", "wait 1", "begin 2", "wait 2", "drop 0", "begin 3", "wait 3" }));
        _transfer.Told.Clear();
        Pass(4, 0, 1, 2);
        Assert.That(_transfer.Told, Is.EqualTo(new[]
        {
            "drop 1", "begin 4", "wait 4", "drop 2", "begin 0", "wait 0", "drop 3", "begin 1", // ahead: 1 came after 0
            "wait 1", "drop 4", "begin 2", "wait 2", "drop 0", "begin 3",
        }));
    }

    [Test]
    public void NoMoreThanTheWindowIsThere()
    {
        _stream.Enter(RunStage.Sampling);
        for (int step = 0; step < 5; step++)
        {
            foreach (int i in Enumerable.Range(0, Count))
            {
                Pass(i);
                Assert.That(_stream.Present, Is.LessThanOrEqualTo(_stream.Window));
            }
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(_stream.Window, Is.EqualTo(3 * 16));
            Assert.That(_transfer.Told.Count(static line => line.StartsWith("begin", StringComparison.Ordinal)), Is.EqualTo((5 * Count) + 1),
                "each once a step, and one ahead at the end");
        }
    }

    /// <summary>What a block needs again at once, in its backward pass, is there.</summary>
    [Test]
    public void WhatWasJustUsedIsNotCopiedAgain()
    {
        Pass(7, 8);
        _transfer.Told.Clear();
        Pass(8, 7);
        Assert.That(_transfer.Told, Is.Empty);
    }

    /// <summary>A backward pass goes from block to block against the order of the forward pass, and each block forwards.</summary>
    [Test]
    public void StagesHaveOrdersOfTheirOwn()
    {
        _tellsUses = true;
        for (int step = 0; step < 2; step++)
        {
            _transfer.Told.Clear();
            _stream.Enter(RunStage.GradientStep);
            Pass([.. Enumerable.Range(0, Count)]);
            _stream.Enter(RunStage.Backward);
            Pass([.. Enumerable.Range(0, Count).Reverse()]);
        }

        string[] waits = [.. _transfer.Told.Where(static line => line.StartsWith("wait", StringComparison.Ordinal))];
        int late = _transfer.Told.Zip(_transfer.Told.Skip(1))
            .Count(static pair => pair.First.Replace("begin", "wait", StringComparison.Ordinal) == pair.Second);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(waits, Has.Length.InRange(2 * (Count - 3), 2 * Count));
            Assert.That(late, Is.LessThanOrEqualTo(2), "but for the first of a stage, every copy begins before the weight is needed");
        }
    }

    /// <summary>When the order changes, what was copied in vain makes room, and the new order is followed the next time.</summary>
    [Test]
    public void AnOrderThatChangesIsLearntAgain()
    {
        int[] first = [0, 1, 2, 3, 4, 5], second = [0, 5, 3, 1, 4, 2];
        Pass(first);
        Pass(first);
        Pass(second);
        Pass(second);
        _transfer.Told.Clear();
        Pass(second);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(_transfer.Told.Count(static line => line.StartsWith("begin", StringComparison.Ordinal)), Is.EqualTo(6));
            Assert.That(_stream.Present, Is.LessThanOrEqualTo(_stream.Window));
        }
    }

    [Test]
    public void AHandleOutlivesItsPlaceInTheWindow()
    {
        using Tensor early = _weights[0].Fetch();
        Pass([.. Enumerable.Range(1, Count - 1)]);
        Assert.That(early.data<float>().ToArray(), Is.All.EqualTo(0f));
    }

    /// <summary>Whoever reads the parameter around the stream notices.</summary>
    [Test]
    public void AParameterOfAWaitingWeightIsNotANumber()
    {
        using Tensor read = _parameters[3].contiguous();
        Assert.That(read.data<float>().ToArray(), Has.Length.EqualTo(4).And.All.NaN);
    }

    [TestCase(ScalarType.Float32)]
    [TestCase(ScalarType.BFloat16)]
    [TestCase(ScalarType.Int8)]
    public void AWeightComesBackAsItWas(ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor numbers = arange(2 * 3 * 4 * 5, dtype: ScalarType.Float32).reshape(2, 3, 4, 5).to_type(dtype);
        Tensor channelsLast = numbers.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
        using var parameter = new Parameter(channelsLast.clone(), requires_grad: false);
        using var stream = new WeightStream(new QueuedTransfer(CPU));
        StreamedWeight weight = stream.Add(parameter);
        Tensor fetched = weight.Fetch();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(fetched.equal(numbers).all().ToBoolean());
            Assert.That(fetched.stride(), Is.EqualTo(channelsLast.stride()));
            Assert.That(parameter.shape, Is.EqualTo(numbers.shape));
            Assert.That(parameter.equal(numbers).all().ToBoolean(), Is.False);
        }

        stream.Restore();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(parameter.equal(numbers).all().ToBoolean());
            Assert.That(parameter.stride(), Is.EqualTo(channelsLast.stride()));
        }
    }

    [Test]
    public void WhereOneCannotBeBroughtBackTheOthersAre()
    {
        _transfer.Refused = 5;
        Assert.That(_stream.Restore, Throws.TypeOf<AggregateException>().With.InnerException.TypeOf<InvalidOperationException>());
        for (int i = 0; i < Count; i++)
        {
            using Tensor read = _parameters[i].contiguous();
            Assert.That(read.data<float>().ToArray(), i == 5 ? Is.All.NaN : Is.All.EqualTo((float)i), $"weight {i}");
        }
    }

    private void Pass(params int[] order)
    {
        foreach (int i in order)
        {
            using Tensor weight = _weights[i].Fetch();
            Assert.That(weight.data<float>().ToArray(), Is.All.EqualTo((float)i));
            if (_tellsUses)
            {
                _transfer.Told.Add($"use {i}");
            }
        }
    }

    /// <summary>Copies on the CPU, and writes down what it is asked for; weights are known by their numbers.</summary>
    private sealed class RecordedTransfer : IWeightTransfer
    {
        private readonly QueuedTransfer _copies = new(CPU);

        public List<string> Told { get; } = [];

        public int? Refused { get; set; }

        public Tensor Store(Tensor weight) => _copies.Store(weight);

        public IWeightCopy Begin(Tensor waiting, long[] shape, long[] strides)
        {
            int number = (int)waiting.data<float>()[0];
            if (number == Refused)
            {
                throw new InvalidOperationException("refused");
            }

            Told.Add($"begin {number}");
            return new Copy(_copies.Begin(waiting, shape, strides), number, Told);
        }

        public void Dispose() => _copies.Dispose();

        private sealed class Copy(IWeightCopy copy, int number, List<string> told) : IWeightCopy
        {
            public Tensor Weight => copy.Weight;

            public void Wait()
            {
                told.Add($"wait {number}");
                copy.Wait();
            }

            public void Dispose()
            {
                told.Add($"drop {number}");
                copy.Dispose();
            }
        }
    }
}
