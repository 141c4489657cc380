using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>Creates schedulers by the class name that a scheduler_config.json gives.</summary>
internal static class SchedulerFactory
{
    private static readonly Dictionary<string, Func<JsonElement, IScheduler>> s_classes = new(StringComparer.Ordinal)
    {
        ["DDIMScheduler"] = DdimScheduler.FromConfig,
        ["DPMSolverMultistepScheduler"] = DpmSolverMultistepScheduler.FromConfig,
        ["EulerDiscreteScheduler"] = EulerDiscreteScheduler.FromConfig,
        ["FlowMatchEulerDiscreteScheduler"] = FlowMatchEulerDiscreteScheduler.FromConfig,
        ["UniPCMultistepScheduler"] = UniPCMultistepScheduler.FromConfig,
    };

    /// <summary>The supported class names.</summary>
    public static IReadOnlyCollection<string> Names => s_classes.Keys;

    /// <summary>Creates the scheduler that a configuration names, or another one from the same keys.</summary>
    /// <remarks>
    /// Another class takes the file's keys only: an absent key has the new class's default, so DDIM's file without timestep_spacing is leading as DDIM and
    /// linspace as DPM-Solver. The shift of flow sigmas alone is read under either of its names, flow_shift and shift.
    /// </remarks>
    /// <param name="json">The content of a scheduler_config.json.</param>
    /// <param name="className">One of <see cref="Names"/>; null: the configuration's _class_name.</param>
    /// <exception cref="NotSupportedException">The class is not one of <see cref="Names"/>.</exception>
    public static IScheduler FromConfig(JsonElement json, string? className = null)
    {
        string? name = className
            ?? (json.ValueKind == JsonValueKind.Object && json.TryGetProperty("_class_name", out JsonElement value) && value.ValueKind == JsonValueKind.String
                ? value.GetString()
                : null);
        return name is not null && s_classes.TryGetValue(name, out Func<JsonElement, IScheduler>? create)
            ? create(json)
            : throw new NotSupportedException(
                $"The sampler '{name ?? "(no _class_name in the file)"}' is not one of {string.Join(", ", Names)}; "
                + "ask for one of those by name, made from the same file.");
    }

    /// <summary>Creates the scheduler of a scheduler_config.json; see <see cref="FromConfig"/>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="className">One of <see cref="Names"/>; null: the file's _class_name.</param>
    /// <exception cref="WeightFileException">The file is missing or not JSON.</exception>
    /// <exception cref="NotSupportedException">The class is not one of <see cref="Names"/>.</exception>
    public static IScheduler FromFile(string path, string? className = null) => FromConfig(SchedulerConfig.ReadFile(path), className);
}
