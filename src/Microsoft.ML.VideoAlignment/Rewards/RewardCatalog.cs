using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Rewards.Custom;
using Microsoft.ML.VideoAlignment.Rewards.TextImage;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>The kinds of reward that model files can name: one line each, and those that programs and packages register.</summary>
internal static partial class RewardCatalog
{
    /// <summary>Old arguments that are not a matter of one kind.</summary>
    private const string OldContentHash = "sha256";

    private static readonly Dictionary<string, string> s_noArguments = [];

    private static readonly RewardDefinition[] s_own =
    [
        HeadReward.Define(HeadRewardKind.Aesthetic),
        HeadReward.Define(HeadRewardKind.Weather),
        HeadReward.Define(HeadRewardKind.CompressedSize),
        TextImageReward.SimilarityDefinition,
        TextImageReward.PreferenceDefinition,
        TextImageReward.PickScoreDefinition,
        VideoTextSimilarity.Definition,
        ObjectRemovalReward.Definition,
        ActionClassificationReward.Definition,
        VJepaReward.Definition,
        TorchScriptReward.Definition,
    ];

    private static readonly ConcurrentDictionary<string, RewardDefinition> s_kinds = new(
        s_own.Select(definition => KeyValuePair.Create(definition.Kind, definition)), StringComparer.Ordinal);

    /// <summary>Adds a kind. Adding the same definition again changes nothing.</summary>
    /// <param name="definition">A kind of a program or package.</param>
    /// <exception cref="ArgumentException">The name is not one, or belongs to another definition.</exception>
    public static void Register(RewardDefinition definition)
    {
        if (definition.Kind == RewardReference.MixKind || !KindName().IsMatch(definition.Kind))
        {
            throw new ArgumentException(
                $"'{definition.Kind}' cannot name a kind of reward: expected 1 to 100 letters, digits, '.', '-' and '_', first a letter, and not "
                + $"'{RewardReference.MixKind}', which is the kind of sums.", nameof(definition));
        }

        RewardDefinition known = s_kinds.GetOrAdd(definition.Kind, definition);
        if (known.Type != definition.Type || known.Make != definition.Make)
        {
            throw new ArgumentException(
                $"The kind '{definition.Kind}' is taken: it makes {known.Type.Name}{(s_own.Contains(known) ? ", a reward of this library" : "")}. "
                + "Register each kind once, with one function, or choose another name.", nameof(definition));
        }
    }

    /// <summary>Finds a kind.</summary>
    /// <param name="kind">Its name in a model file.</param>
    /// <returns>Its definition; null: it is not registered.</returns>
    public static RewardDefinition? Find(string kind) => s_kinds.GetValueOrDefault(kind);

    /// <summary>Makes a reward again.</summary>
    /// <param name="reference">What stands in the model file.</param>
    /// <param name="moved">New places for files that are no longer where they were, by old path; null: none.</param>
    /// <returns>The reward; the caller owns it.</returns>
    /// <exception cref="FileNotFoundException">Files are missing.</exception>
    /// <exception cref="InvalidDataException">Files are not what they were, or a kind is not registered.</exception>
    public static VideoReward Make(RewardReference reference, IReadOnlyDictionary<string, string>? moved)
    {
        foreach (RewardReference part in reference.AllKinds().Where(part => !part.IsMix))
        {
            _ = Require(part.Kind);
        }

        return reference.Resolve(MakePlain, moved);
    }

    /// <summary>What the function of a kind is given.</summary>
    /// <param name="reference">What stands in the model file, which may be of an earlier version.</param>
    /// <param name="files">Where the files are, by role.</param>
    /// <exception cref="InvalidDataException">The kind is not registered, or old arguments cannot be read.</exception>
    public static SavedReward Saved(RewardReference reference, IReadOnlyDictionary<string, string> files) => new(reference.Kind)
    {
        Files = files,
        Settings = reference.Settings
            ?? Require(reference.Kind).Upgrade?.Invoke(new OldRewardArguments(reference.Kind, reference.Arguments ?? s_noArguments)),
        ContentHash = reference.ContentHash ?? reference.Arguments?.GetValueOrDefault(OldContentHash),
    };

    /// <summary>How a model file will name a reward, where it can be made again from that.</summary>
    /// <param name="reward">The reward; of a sum all parts.</param>
    /// <exception cref="NotSupportedException">A reward does not say how it is saved, or its kind is not registered or of another type.</exception>
    public static RewardReference Describe(VideoReward reward)
    {
        RequireRegistered(reward);
        return reward.Reference;
    }

    private static void RequireRegistered(VideoReward reward)
    {
        if (reward is RewardMix mix)
        {
            foreach ((_, VideoReward part, _) in mix.Parts)
            {
                RequireRegistered(part);
            }

            return;
        }

        if (reward.Save() is not { } saved)
        {
            _ = reward.Reference; // which says why it cannot be saved
            return;
        }

        string register = $"Call VideoRewards.Register(\"{saved.Kind}\", saved => ...) with a function that makes a {reward.GetType().Name}, "
            + "here and in every program that loads the file.";
        RewardDefinition definition = Find(saved.Kind) ?? throw new NotSupportedException(
            $"Reward '{reward.Name}' is saved under the kind '{saved.Kind}', which is not registered: the file could not be loaded. {register}");
        if (!definition.Type.IsInstanceOfType(reward))
        {
            throw new NotSupportedException(
                $"Reward '{reward.Name}' ({reward.GetType().Name}) is saved under the kind '{saved.Kind}', which makes {definition.Type.Name}: "
                + $"another reward would be loaded. Return a kind of its own from {nameof(VideoReward.Save)}. {register}");
        }
    }

    private static VideoReward MakePlain(RewardReference reference, IReadOnlyDictionary<string, string> files)
    {
        RewardDefinition definition = Require(reference.Kind);
        SavedReward saved = Saved(reference, files);
        VideoReward reward = definition.Make(saved)
            ?? throw new InvalidOperationException($"The function that is registered for rewards of the kind '{reference.Kind}' returned null.");
        SavedReward? again = reward.Save();
        if (again?.Kind == reference.Kind && (saved.ContentHash is null || again.ContentHash == saved.ContentHash))
        {
            return reward;
        }

        reward.Dispose();
        throw again?.Kind == reference.Kind
            ? new InvalidDataException(
                $"The model's reward {reference.Kind} was the embedded one of another version of the library; scores would not mean the same.")
            : new InvalidOperationException(
                $"The function that is registered for rewards of the kind '{reference.Kind}' made a reward whose {nameof(VideoReward.Save)} says "
                + $"{(again is null ? "nothing" : $"'{again.Kind}'")}. It must return the same kind, so that what was loaded can be saved.");
    }

    private static RewardDefinition Require(string kind) => Find(kind) ?? throw new InvalidDataException(
        $"The model's reward is of the kind '{kind}', which is not registered. If it is a class of your own, call "
        + $"VideoRewards.Register(\"{kind}\", saved => ...) before loading; if a package brings it, refer to that package; else a newer version of the "
        + "library wrote the file.");

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9._-]{0,99}\z", RegexOptions.CultureInvariant)]
    private static partial Regex KindName();
}
