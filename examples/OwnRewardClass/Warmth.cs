using System.Text.Json.Serialization;
using Microsoft.ML.VideoAlignment;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

#region own-reward
internal sealed class Warmth : VideoReward
{
    public const string Kind = "Examples.Warmth";
    private readonly WarmthSettings _settings;
    private readonly Linear _mix;

    public Warmth(WarmthSettings settings, Device? device = null)
    {
        (_settings, _mix) = (settings, nn.Linear(3, 1, hasBias: false, device));
        using IDisposable guard = no_grad();
        _mix.weight!.requires_grad_(false);
        if (device?.type != DeviceType.META)
        {
            _mix.weight!.copy_(tensor(new[] { settings.Red, 0, settings.Blue }));
        }
    }

    public override string Name => "warmth";

    public override RewardContract Contract { get; } = new();

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => _mix.call(frames.mean([2, 3, 4])).squeeze(1); // [B, 3] -> [B]

    protected override IEnumerable<nn.Module> Networks => [_mix]; // moved, offloaded, converted for proofs, disposed

    protected override VideoReward ToMeta() => new Warmth(_settings, META); // for memory estimates

    protected override SavedReward Save() => SavedReward.Create(Kind, _settings, WarmthJson.Default.WarmthSettings);

    public static Warmth Load(SavedReward saved) => new(saved.GetSettings(WarmthJson.Default.WarmthSettings));
}

internal sealed record WarmthSettings(float Red, float Blue);

[JsonSerializable(typeof(WarmthSettings))]
internal sealed partial class WarmthJson : JsonSerializerContext;
#endregion
