using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// The packages beside this library whose models and rewards saved files may name. The list is fixed: a name in a file chooses among these and decides nothing
/// else about what is loaded.
/// </summary>
internal static class CompanionPackages
{
    /// <summary>The package of the tiny trained models.</summary>
    public const string MovingShapes = "Microsoft.ML.VideoAlignment.MovingShapes";

    private static readonly CompanionPackageSlot[] s_slots =
    [
        new(MovingShapes, ["MovingShapes", "MovingShapesImageToVideo"], rewards: "MovingShapes", register: "MovingShapesPackage.Register()", FindMovingShapes),
    ];

    /// <summary>Tells whether a name is that of a package's model.</summary>
    /// <param name="name">What a saved file calls the model.</param>
    public static bool HasModel(string name) => s_slots.Any(slot => slot.HasModel(name));

    /// <summary>Tells whether a reward is a package's.</summary>
    /// <param name="kind">What a saved file calls the kind of reward.</param>
    public static bool HasReward(string kind) => s_slots.Any(slot => slot.HasReward(kind));

    /// <summary>Opens a package's model.</summary>
    /// <param name="name">What a saved file calls it; <see cref="HasModel"/> has to hold.</param>
    /// <returns>A model that the caller disposes.</returns>
    /// <exception cref="InvalidOperationException">The program does not have the package; the message says which to add.</exception>
    public static VideoDiffusionModel OpenModel(string name) => s_slots.First(slot => slot.HasModel(name)).Require($"the model '{name}'").OpenModel(name);

    /// <summary>Makes a reward again that a model file names.</summary>
    /// <param name="reference">What stands in the file.</param>
    /// <param name="moved">New places of its files by old path; null: none has moved.</param>
    /// <exception cref="FileNotFoundException">Files are missing.</exception>
    /// <exception cref="InvalidDataException">Files are not what they were, or a kind is not registered.</exception>
    /// <exception cref="InvalidOperationException">A reward comes in a package that the program does not have.</exception>
    public static VideoReward MakeReward(RewardReference reference, IReadOnlyDictionary<string, string>? moved = null)
    {
        RegisterRewards(reference);
        return RewardCatalog.Make(reference, moved);
    }

    /// <summary>Registers the kinds of rewards of the packages that a saved file names.</summary>
    /// <param name="reference">What the file says of a reward; of a sum, of its parts too.</param>
    /// <exception cref="InvalidOperationException">The program does not have a package; the message says which to add.</exception>
    /// <exception cref="InvalidDataException">A package does not know a kind.</exception>
    public static void RegisterRewards(RewardReference reference)
    {
        foreach (string kind in reference.AllKinds().Select(part => part.Kind).Where(HasReward))
        {
            CompanionPackage package = s_slots.First(slot => slot.HasReward(kind)).Require($"the reward '{kind}'");
            foreach (RewardDefinition definition in package.Rewards)
            {
                RewardCatalog.Register(definition);
            }

            if (RewardCatalog.Find(kind) is null)
            {
                throw new InvalidDataException(
                    $"The model's reward is of the kind '{kind}', which this version of the package {package.Name} does not know. Update it.");
            }
        }
    }

    /// <summary>Makes a package known that is loaded already, so that it is not looked for.</summary>
    /// <param name="package">Its content.</param>
    public static void Register(CompanionPackage package) => s_slots.First(slot => slot.Name == package.Name).Content = package;

    /// <summary>Looks the package up among the program's assemblies; null: the program does not have it.</summary>
    private static CompanionPackage? FindMovingShapes() =>
        Create(Type.GetType("Microsoft.ML.VideoAlignment.MovingShapes.MovingShapesContent, Microsoft.ML.VideoAlignment.MovingShapes", throwOnError: false));

    private static CompanionPackage? Create([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] Type? content) =>
        content is null ? null : (CompanionPackage?)Activator.CreateInstance(content);
}
