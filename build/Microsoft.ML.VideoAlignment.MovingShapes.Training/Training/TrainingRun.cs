using System.Diagnostics;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// One training that can be stopped and continued: everything random is a function of the step's number, and the state (weights, their moving average,
/// optimizer, step) is written every few hundred steps under a temporary name, then renamed.
/// </summary>
internal sealed class TrainingRun : IDisposable
{
    /// <summary>
    /// A batch is computed in two halves side by side, one thread each: on networks this small, two threads inside every operation mostly wait for each
    /// other. Gradients of both meet in the parameters; the sum of two numbers has one value whichever comes first, so a run stays repeatable.
    /// </summary>
    public const int Parts = 2;

    private readonly string _stateFile;
    private readonly string _name;
    private readonly nn.Module _network;
    private readonly nn.Module? _average;
    private readonly TrainingPlan _plan;
    private readonly TrainingLog _log;
    private readonly Optimizer _optimizer;

    /// <param name="stateFile">Where the state lies; an existing one is continued.</param>
    /// <param name="network">What is trained, initialized.</param>
    /// <param name="average">A second network of the same make that receives the moving average; null when the plan has none.</param>
    /// <param name="plan">Optimizer and length.</param>
    /// <param name="log">Receives the losses.</param>
    public TrainingRun(string stateFile, nn.Module network, nn.Module? average, TrainingPlan plan, TrainingLog log)
    {
        (_stateFile, _network, _average, _plan, _log) = (stateFile, network, average, plan, log);
        _name = Path.GetFileNameWithoutExtension(stateFile);
        _optimizer = new Optimizer(network, plan);
        if (average is not null)
        {
            Parameters.SetTrainable(average, false);
            Parameters.Copy(average, network);
        }

        if (File.Exists(stateFile))
        {
            using var reader = new BinaryReader(File.OpenRead(stateFile));
            Step = reader.ReadInt32();
            _ = reader.ReadBoolean();
            StateRecord.Read(reader, Everything);
            _log.Write($"{_name} continues at step {Step}");
        }
    }

    /// <summary>How many steps are done.</summary>
    public int Step { get; private set; }

    private IEnumerable<(string Name, Tensor Tensor)> Everything =>
        StateRecord.Of(_network).Concat(_average is null ? [] : StateRecord.Of(_average)).Concat(_optimizer.Moments);

    /// <summary>
    /// Trains to the end of the plan. <paramref name="loss"/>: (step, part) -> scalar, called from <see cref="Parts"/> threads at once; the step's loss is
    /// the mean over the parts. <paramref name="saved"/> is called after every save, <paramref name="stepped"/> after every update.
    /// </summary>
    /// <remarks><paramref name="upTo"/> stops earlier, as an interruption would.</remarks>
    public void Run(Func<int, int, Tensor> loss, Action? saved = null, Action? stepped = null, int upTo = int.MaxValue)
    {
        var clock = Stopwatch.StartNew();
        using var parallel = new SideBySide(Parts);
        int first = Step;
        double sum = 0;
        int count = 0;
        while (Step < Math.Min(_plan.Steps, upTo))
        {
            double[] values = new double[Parts];
            parallel.Run(part =>
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor value = loss(Step, part);
                Recompute.Backward(value.Div(Parts));
                values[part] = value.item<float>();
            });
            if (!double.IsFinite(values.Average()))
            {
                throw new InvalidOperationException($"The loss is {values.Average()} at step {Step}; the last state is in {_stateFile}.");
            }

            (sum, count) = (sum + values.Average(), count + 1);
            _optimizer.Step(Step, parallel);
            Step++;
            if (_average is not null)
            {
                // A young average follows the weights closely: keep rises with the step to its final value.
                double keep = Math.Min(_plan.AverageKeep, (1.0 + Step) / (10 + Step));
                Parameters.MoveTowards(_average, _network, 1 - keep);
            }

            stepped?.Invoke();
            if (Step % _plan.LogEvery == 0 || Step == _plan.Steps)
            {
                double rate = _plan.PeakRate * _plan.Share(Step - 1), seconds = clock.Elapsed.TotalSeconds / (Step - first);
                _log.Write(FormattableString.Invariant(
                    $"{_name} step {Step}/{_plan.Steps} loss {sum / count:F5} rate {rate:E2} {seconds:F3} s/step"));
                (sum, count) = (0, 0);
            }

            if (Step % _plan.SaveEvery == 0 || Step == _plan.Steps)
            {
                Save();
                saved?.Invoke();
            }
        }
    }

    /// <summary>Whether a training of this plan has reached its end.</summary>
    public static bool IsFinished(string stateFile, TrainingPlan plan)
    {
        if (!File.Exists(stateFile))
        {
            return false;
        }

        using var reader = new BinaryReader(File.OpenRead(stateFile));
        return reader.ReadInt32() >= plan.Steps;
    }

    /// <summary>Fills a network with what a training gave: the moving average where there is one. It is frozen afterwards.</summary>
    public static void LoadResult(string stateFile, nn.Module network)
    {
        using var reader = new BinaryReader(File.OpenRead(stateFile));
        _ = reader.ReadInt32();
        bool averaged = reader.ReadBoolean();
        StateRecord.Read(reader, StateRecord.Of(network));
        if (averaged)
        {
            StateRecord.Read(reader, StateRecord.Of(network));
        }

        Parameters.SetTrainable(network, false);
    }

    public void Dispose() => _optimizer.Dispose();

    private void Save()
    {
        string temporary = _stateFile + ".tmp";
        using (var writer = new BinaryWriter(File.Create(temporary)))
        {
            writer.Write(Step);
            writer.Write(_average is not null);
            StateRecord.Write(writer, Everything);
        }

        File.Move(temporary, _stateFile, overwrite: true);
    }
}
