using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Aligns a video diffusion model to a reward by back-propagating the reward's gradient through the last denoising steps and the video decoder into LoRA
/// weights (VADER, arXiv 2407.08737), or from the reward's scores alone (<see cref="VideoAlignmentOptions.Algorithm"/>). <see cref="Fit"/> trains on a column
/// of prompts; the fitted transformer generates a video for each prompt.
/// </summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// ###  Estimator Characteristics
/// |  |  |
/// | -- | -- |
/// | Does this estimator need to look at the data to train its parameters? | Yes |
/// | Input column data type | Text |
/// | Output column data type | Vector of <xref:System.Single> with dimensions T, 3, H, W; RGB in [0, 1] |
/// | Exportable to ONNX | No |
/// ]]></format>
/// The model and the reward belong to the caller, who disposes them after the transformers that use them. Fitting moves both to the device that
/// <c>MLContext.GpuDeviceId</c> and <c>FallbackToCpu</c> name, and the transformer generates there. They may be used from several threads: trainings and
/// generations of one model run one after another, and work of another context on another device waits and then moves the model, there and back each time.
/// Where that is often, load the model once for each device. While a GPU trains, text encoders of both wait in the CPU's memory: all prompts are encoded
/// before the first step. With <see cref="RunControl.RunFolder"/> fitting resumes where it was interrupted. Fitting twice gives the same weights, bit for bit,
/// on one machine.
/// </remarks>
public sealed class VideoAlignmentEstimator : IEstimator<VideoAlignmentTransformer>
{
    private readonly IHost _host;
    private readonly AlignmentColumns _columns;
    private readonly VideoDiffusionModel _model;
    private readonly VideoReward _reward;
    private readonly VideoAlignmentOptions _options;
    private readonly RunControl _control;
    private readonly int? _seed;
    private readonly int _randomSeed;

    internal VideoAlignmentEstimator(
        IHostEnvironment environment, AlignmentColumns columns, VideoDiffusionModel model, VideoReward reward, VideoAlignmentOptions options,
        RunControl control)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(reward);
        reward.RequireAlive();
        AlignmentColumns.RequireNames(columns.Output, columns.Prompt, model, reward);
        ArgumentNullException.ThrowIfNull(options);
        options.ValidateFor(model);
        control.Validate();
        LoaderRegistration.Register(environment);
        _host = environment.Register(nameof(VideoAlignmentEstimator));
        _columns = columns;
        _model = model;
        _reward = reward;
        (_options, _control) = (options, control);
        _seed = options.Seed ?? MlNetInterop.Seed(environment);
        _randomSeed = _seed ?? _host.Rand.Next();
    }

    /// <summary>Trains the LoRA weights.</summary>
    /// <param name="input">A table with the columns that the estimator reads.</param>
    /// <returns>
    /// The transformer with the weights of the last step, or of the best one (<see cref="ValidationOptions.KeepBest"/>); after a cancellation, of the last
    /// finished step.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type. Nothing has been done then.</exception>
    /// <exception cref="RewardContractException">
    /// The reward cannot train this model: no gradient, too few frames, a wrong shape, a prompt it cannot read. Only while no step is finished; later it is the
    /// <see cref="Exception.InnerException"/> of a <see cref="TrainingStepException"/>.
    /// </exception>
    /// <exception cref="FormatException">A prompt's notation is wrong, or asks for what cannot be done with its images.</exception>
    /// <exception cref="NotSupportedException">
    /// A prompt names a file while <see cref="VideoModelOptions.ReferenceFolder"/> is not set, or it names a video.
    /// </exception>
    /// <exception cref="FileNotFoundException">An image does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">A prompt names a file outside the folder.</exception>
    /// <exception cref="InvalidOperationException">The table is empty, or the GPU asked for does not exist.</exception>
    /// <exception cref="ObjectDisposedException">The model or the reward has been disposed.</exception>
    /// <exception cref="IOException"><see cref="RunControl.CheckpointFolder"/> cannot be written. No step has begun then.</exception>
    /// <exception cref="RunFolderException">
    /// <see cref="RunControl.RunFolder"/> cannot be written, is in use by another run, belongs to a run that this one cannot continue, or has no
    /// state that can be read. No step has begun then.
    /// </exception>
    /// <exception cref="InsufficientMemoryException">
    /// Memory ran out; the message says what the run is estimated to take, and which options make it smaller. Where a step had begun, the
    /// <see cref="Exception.InnerException"/> is a <see cref="TrainingStepException"/> with the weights. Or no plan meets
    /// <see cref="MemoryOptions.Budget"/>.
    /// </exception>
    /// <exception cref="TrainingStepException">
    /// Something failed after the first step had begun: a number was not finite, or the reward, a measurement, a checkpoint,
    /// <see cref="RunControl.Progress"/> or the log threw (also an <see cref="OperationCanceledException"/> that
    /// <see cref="RunControl.CancellationToken"/> did not ask for). The exception contains the weights that the last finished step would have
    /// returned, and names a file with them. Where latents or frames were not finite it is caused by a <see cref="NotFiniteNumberException"/> that names the
    /// step or stage, the row and its prompt.
    /// </exception>
    public VideoAlignmentTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _model.RequireAlive();
        _reward.RequireAlive();
        _columns.Require(MlNetInterop.GetShape(input.Schema));
        SamplingSettings sampling = _options.ResolveSampling(_model);
        int shown = RewardProbe.RequireTrainable(_reward, _options, _model);
        using IChannel channel = _host.Start("Training");
        void Inform(string message) => Log.Inform(channel, message);
        var images = new PromptImages(_model, sampling, Inform);
        IReadOnlyList<VideoPrompt> rows = _columns.Read(input, images);
        IReadOnlyList<VideoPrompt> validation = ReadValidationRows(images);
        string[] texts = [.. rows.Concat(validation).Select(row => row.Text)];
        string Describe(string prompt) => _model.RewardText(prompt, sampling.SegmentCount);
        _reward.RequirePrompts([.. texts.Select(Describe)]);

        Device device = Devices.Choose(_host, channel);
        Log.Warn(channel, IneffectiveOptions.FindInAlignment(_options, _control, _model, _reward, device));
        AdapterHost.ForModel(_model).MoveTo(device);
        using RunFolder? folder = _control.RunFolder is { } path ? RunFolder.Open(path, warning => Log.Warn(channel, warning)) : null;
        VideoAlignmentOptions options = PlanMemory(ComputeDevice.Describe(device), channel);
        OutOfMemoryAdvice.Run(
            _model, options, _reward,
            () => RewardProbe.Run(_reward, device, shown, sampling.VideoSize(_model), [.. texts.Select(Describe)], options.Algorithm.Definition, channel));
        WarnOfTruncated(texts, sampling, channel);

        // Where no seed was asked for, a resumed run keeps the one it had.
        int seed = _seed ?? folder?.Found?.Seed ?? _randomSeed;
        var run = new AlignmentRun(_model, _reward, options, seed, rows, validation, Devices.TemporaryFolder(_host))
        {
            Control = _control,
            Folder = folder,
            TrainingDevice = device,
        };
        folder?.Compare(AlignmentFingerprint.From(run), warning => Log.Warn(channel, warning));
        Log.Warn(channel, run.Model.LoadNotes);
        ThreadUse? threads = device.type == DeviceType.CPU ? ThreadUse.StartMeasuring() : null;
        Log.Plan(channel, run, device, threads);
        Log.Resume(channel, folder, options.Optimizer.Steps, _control.RunFolder);
        return OutOfMemoryAdvice.Run(_model, options, _reward, () => run.Train(
            step =>
            {
                Log.Step(channel, step);
                if (threads?.AfterStep() is { } advice)
                {
                    Inform(advice);
                }

                _control.Progress?.Report(step);
            },
            warning => Log.Warn(channel, warning),
            outcome =>
            {
                Log.End(channel, outcome, options);
                var aligned = new AlignedModel(
                    _model, ownsModel: false, outcome.Adapters, run.Training.Sampling, seed, device: device, precision: run.Precision);
                return new VideoAlignmentTransformer(_host, _columns, aligned, TrainingRecord.Create(run, outcome), options.IncludeBaseModel);
            }));
    }

    private IReadOnlyList<VideoPrompt> ReadValidationRows(PromptImages images) =>
    [
        .. _options.Validation.Prompts.Select(prompt => images.Resolve(prompt)), .. _options.Validation.Data is { } data ? _columns.Read(data, images) : [],
    ];

    private void WarnOfTruncated(IEnumerable<string> prompts, SamplingSettings sampling, IChannel channel)
    {
        foreach (string prompt in prompts.Distinct())
        {
            if (_model.CountTruncated(prompt, sampling.SegmentCount) is > 0 and var tokens)
            {
                Log.Truncated(channel, prompt, tokens);
            }
        }
    }

    // The options of the run, once they fit its device.
    private VideoAlignmentOptions PlanMemory(IComputeDevice device, IChannel channel)
    {
        if (_options.Memory.ExplainFloat32(device) is { } notice)
        {
            Log.DeviceNotice(channel, notice);
        }

        return MemoryBudget.Apply(
            _model, _options, _reward, device, message => Log.Inform(channel, message), warning => Log.Warn(channel, warning));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _columns.OutputSchema(inputSchema);
}
