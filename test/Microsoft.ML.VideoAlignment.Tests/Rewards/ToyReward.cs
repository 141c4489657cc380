using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A reward as a user would write it: a network of a few weights, settings, and a count of calls that a run remembers.</summary>
internal sealed class ToyReward : VideoReward
{
    public const string Kind = "Tests.Toy";

    private readonly ToySettings _settings;
    private readonly Device _device;
    private readonly TorchSharp.Modules.Linear _network;

    public ToyReward(ToySettings settings, Device? device = null)
    {
        (_settings, _device) = (settings, device ?? CPU);
        _network = nn.Linear(3, 1, device: _device);
        using IDisposable guard = no_grad();
        _network.weight!.requires_grad_(false);
        _network.bias!.requires_grad_(false);
        if (_device.type != DeviceType.META)
        {
            _network.weight!.copy_(tensor(settings.Weights).unsqueeze(0));
            _network.bias!.fill_(0.5);
        }
    }

    /// <summary>Makes it again from a model file.</summary>
    public static ToyReward Load(SavedReward saved) => new(saved.GetSettings(ToySettingsJson.Default.ToySettings));

    /// <summary>Calls with gradient in the run.</summary>
    public int Calls { get; private set; }

    public bool IsDouble => _network.weight!.dtype == ScalarType.Float64;

    public override string Name => "toy";

    public override RewardContract Contract { get; } = new() { ScoresFramesSeparately = false };

    protected internal override IEnumerable<nn.Module> Networks => [_network];

    protected internal override VideoReward ToMeta() => new ToyReward(_settings, META);

    protected internal override SavedReward Save() => SavedReward.Create(Kind, _settings, ToySettingsJson.Default.ToySettings);

    protected internal override void BeginTraining() => Calls = 0;

    protected internal override string SaveTraining() => $"{Calls}";

    protected internal override void LoadTraining(string state) => Calls = int.Parse(state, System.Globalization.CultureInfo.InvariantCulture);

    protected internal override void RequirePrompts(IEnumerable<string> prompts)
    {
        if (prompts.FirstOrDefault(prompt => prompt.Contains("blue", StringComparison.Ordinal)) is { } blue)
        {
            throw new RewardContractException($"the toy cannot score '{blue}'");
        }
    }

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts)
    {
        Calls += frames.requires_grad && is_grad_enabled() ? 1 : 0;
        Tensor colors = frames.sigmoid().mean([2, 3, 4]); // [B, 3]
        return _network.call(colors).squeeze(1);
    }
}

/// <summary>What the toy is made with.</summary>
/// <param name="Weights">Of red, green and blue.</param>
internal sealed record ToySettings(float[] Weights);

[JsonSerializable(typeof(ToySettings))]
internal sealed partial class ToySettingsJson : JsonSerializerContext;
