using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// A kind of reward that model files can name: how it is made again from its files and settings. Its contract follows from these, and is the reward's.
/// </summary>
/// <param name="Kind">The name in model files. Once released it stays.</param>
/// <param name="Type">What is made: only a reward of this type may be saved under the kind.</param>
/// <param name="Make">Makes the reward; its files have been checked.</param>
internal sealed record RewardDefinition(string Kind, Type Type, Func<SavedReward, VideoReward> Make)
{
    /// <summary>Whether making the reward runs code that stands in its files, which the program must allow.</summary>
    public bool RunsProgram { get; init; }

    /// <summary>Turns the arguments of a file before 0.2 into settings; null: such files have no settings of this kind.</summary>
    public Func<OldRewardArguments, JsonElement?>? Upgrade { get; init; }

    /// <summary>Defines a kind.</summary>
    /// <typeparam name="TReward">What is made.</typeparam>
    /// <param name="kind">The name in model files.</param>
    /// <param name="make">Makes the reward; its files have been checked.</param>
    public static RewardDefinition Create<TReward>(string kind, Func<SavedReward, TReward> make)
        where TReward : VideoReward => new(kind, typeof(TReward), make);
}
